/** @file Boxes, arrows and words as SVG: enough for the paper's schematic figures. */

export type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Lines of text, centred. */
  readonly text: readonly string[];
  /** Frozen parts are grey, trained ones orange, what is made for a prompt green. */
  readonly look: "frozen" | "trained" | "made" | "plain";
};
export type Arrow = {
  readonly from: readonly [x: number, y: number];
  readonly to: readonly [x: number, y: number];
  readonly label?: string;
};
export type Caption = { readonly x: number; readonly y: number; readonly text: string };

const fills = { frozen: "#e3e8ee", trained: "#f7d9b5", made: "#cfe8d5", plain: "#ffffff" } as const;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const words = (x: number, y: number, text: string, more = ""): string =>
  `<text x="${x}" y="${y}" text-anchor="middle"${more}>${escaped(text)}</text>`;

function boxSvg({ x, y, width, height, text, look }: Box): string {
  const step = 17;
  const first = y + height / 2 + 5 - ((text.length - 1) * step) / 2;
  const lines = text.map((line, i) => words(x + width / 2, first + i * step, line));
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${fills[look]}" stroke="#4a5560"/>${lines.join("")}`;
}

function arrowSvg({ from: [x1, y1], to: [x2, y2], label }: Arrow): string {
  const line = `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#4a5560" stroke-width="1.5" marker-end="url(#head)"/>`;
  if (label === undefined) return line;
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const [right, down] = x1 === x2 ? [52, 4] : [0, -6]; // beside an upright arrow, above a level one
  return line + words(x + right, y + down, label, ' font-size="12" fill="#4a5560"');
}

/** A document of its own, on white; `title` is read to who cannot see it. */
export function drawing(
  { title, width, height }: { readonly title: string; readonly width: number; readonly height: number },
  {
    boxes,
    arrows,
    captions = [],
  }: { readonly boxes: readonly Box[]; readonly arrows: readonly Arrow[]; readonly captions?: readonly Caption[] },
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="14" fill="#1c2733">`,
    `<title>${escaped(title)}</title>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#4a5560"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...boxes.map(boxSvg),
    ...arrows.map(arrowSvg),
    ...captions.map(({ x, y, text }) => words(x, y, text, ' font-weight="bold"')),
    "</svg>",
    "",
  ].join("\n");
}
