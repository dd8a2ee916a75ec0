/** @file What a page looks like, by what its browser computed: what is cut off, what is small, what is faint, what has the focus. */
import type { Page } from "playwright-core";

const controls = "a[href], button, input, textarea";

/** What a control is called here: its id, or its place and its words. */
const nameIn = `(each) => each.id || (each.closest("#names li, section")?.querySelector("b, h2")?.textContent ?? "") + " " + each.textContent.trim()`;
const isShown = `(each) => each.getClientRects().length > 0`;

/** How many pixels the page is wider than the window. */
export const overhang = (page: Page): Promise<number> =>
  page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)");

/** Controls that are less than 24 pixels wide or high, or lie partly outside of the window's width. */
export const badControls = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll(${JSON.stringify(controls)})].filter(${isShown}).filter((each) => {
    const { width, height, left, right } = each.getBoundingClientRect();
    return width < 24 || height < 24 || left < 0 || right > innerWidth;
  }).map(${nameIn})`);

/** Texts with less than 4.5 of contrast against what is behind them, as WCAG 2 reckons it. */
export const faintTexts = (page: Page): Promise<string[]> =>
  page.evaluate(`(() => {
    const rgba = (color) => {
      const found = /^rgba?\\((.*)\\)$/.exec(color);
      if (found === null) throw new Error("a colour that is not known here: " + color);
      const [r, g, b, a = 1] = found[1].split(",").map(Number);
      return { rgb: [r, g, b], a };
    };
    const luminance = ({ rgb }) => {
      const [r, g, b] = rgb.map((value) => value / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const color = rgba(getComputedStyle(each).backgroundColor);
        if (color.a === 1) return color;
        if (color.a !== 0) throw new Error("a background that is seen through");
      }
      throw new Error("no background");
    };
    const contrast = (element) => {
      const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
      return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    };
    const withText = [...document.querySelectorAll("body *")].filter((each) =>
      each.matches("input, textarea") || [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""));
    const shown = withText.filter(${isShown}).filter((each) => !each.closest("svg, script"));
    if (shown.length === 0) throw new Error("no text");
    return shown.filter((each) => contrast(each) < 4.5 || getComputedStyle(each).opacity !== "1")
      .map((each) => contrast(each).toFixed(2) + " " + each.textContent.slice(0, 60));
  })()`);

/** All controls that can be used, in the order of the page. */
export const usableControls = (page: Page): Promise<string[]> =>
  page.evaluate(
    `[...document.querySelectorAll(${JSON.stringify(controls)})].filter(${isShown}).filter((each) => !each.disabled).map(${nameIn})`,
  );

/** The control that has the focus, and whether that is seen. */
export const focused = (page: Page): Promise<{ readonly name: string; readonly isOutlined: boolean }> =>
  page.evaluate(`(() => {
    const each = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(each);
    return { name: each === document.body ? "" : (${nameIn})(each), isOutlined: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 };
  })()`);
