/** @file The playground's entry. */
import { render } from "preact";
import { Playground } from "./playground.tsx";
import "./style.css";

render(<Playground />, document.getElementById("page")!);
