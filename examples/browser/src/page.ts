/** Small helpers for the page's elements. */

/** The element with an id. */
export function element<E extends Element = HTMLElement>(id: string): E {
  const found = document.querySelector<E>(`#${id}`);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** A new HTML element with a class and text. */
export function html<K extends keyof HTMLElementTagNameMap>(
  kind: K,
  className = "",
  text = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A new SVG element. */
export function svg(kind: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}

const PALETTE = [
  "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#8c6d4f", "#ec7fae", "#1fa3a3", "#c4a000", "#7f8790",
];

/** The colour of a class; with more than ten they come again, and names tell them apart. */
export function classColour(index: number): string {
  return PALETTE[Math.max(0, index) % PALETTE.length];
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

export function duration(seconds: number): string {
  return `${seconds < 100 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}
