/** The embedding map: a point for each sound, a trail for the microphone. */

import { readable } from "./labels_view";
import { classColour, element, html, svg } from "./page";
import { Projection, type Point } from "./projection";

export interface Mapped {
  name: string;
  embedding: Float32Array;
  /** The most probable class, or -1 without a head. */
  classIndex: number;
}

const [WIDTH, HEIGHT, MARGIN] = [640, 320, 36];

export class MapView {
  readonly #svg = element<SVGSVGElement>("map");
  readonly #projection = new Projection();
  readonly #classes: string[];
  readonly #onChoose: (index: number) => void;

  constructor(classes: string[], onChoose: (index: number) => void) {
    this.#classes = classes;
    this.#onChoose = onChoose;
    this.show([], [], -1);
  }

  /** Draw the sounds and the last vectors of the microphone; `selected` is an index of the sounds, or -1. */
  show(sounds: Mapped[], live: Mapped[], selected: number): void {
    const all = [...sounds, ...live];
    const places = onPage(this.#projection.fit(all.map(({ embedding }) => embedding)));
    const trail = places.slice(sounds.length);
    const frame = { class: "frame", x: 1, y: 1, width: WIDTH - 2, height: HEIGHT - 2, rx: 8 };
    const parts: SVGElement[] = [svg("rect", frame)];
    if (trail.length > 1) parts.push(svg("polyline", { class: "trail", points: trail.join(" ") }));
    live.forEach((sound, i) => parts.push(point(sound, trail[i], i === live.length - 1 ? 7 : 3)));
    sounds.forEach((sound, i) => {
      const made = point(sound, places[i], 7);
      made.classList.toggle("selected", i === selected);
      made.addEventListener("click", () => this.#onChoose(i));
      parts.push(made);
    });
    const named = live.length ? all.length - 1 : selected;
    if (named >= 0) parts.push(nameOf(all[named], places[named]));
    this.#svg.replaceChildren(...parts);
    this.#svg.setAttribute("aria-label", `Embedding map of ${sounds.length} sounds; the list of sounds has the same`);
    element("map-note").textContent =
      all.length < 2 ? "Two sounds or more make a map" : `Principal components of the ${all.length} vectors so far`;
    this.#legend(new Set(all.map(({ classIndex }) => classIndex)));
  }

  #legend(present: Set<number>): void {
    const entries = [...present].filter((index) => index >= 0).sort((a, b) => a - b);
    const items = entries.map((index) => {
      const item = html("li");
      const swatch = html("span", "swatch");
      swatch.style.background = classColour(index);
      item.append(swatch, readable(this.#classes[index]));
      return item;
    });
    element("legend").replaceChildren(...items);
  }
}

/** Both axes get one scale, so distances can be compared. */
function onPage(points: Point[]): Point[] {
  const most = (axis: 0 | 1) => Math.max(...points.map((place) => place[axis]), -Infinity);
  const least = (axis: 0 | 1) => Math.min(...points.map((place) => place[axis]), Infinity);
  const range = [most(0) - least(0), most(1) - least(1)];
  const room = [WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN];
  const scale = Math.min(room[0] / Math.max(range[0], 1e-6), room[1] / Math.max(range[1], 1e-6), 1e5);
  const centre = [(most(0) + least(0)) / 2, (most(1) + least(1)) / 2];
  return points.map(([x, y]) => [WIDTH / 2 + scale * (x - centre[0]), HEIGHT / 2 - scale * (y - centre[1])]);
}

function point({ name, classIndex }: Mapped, [x, y]: Point, radius: number): SVGElement {
  const made = svg("circle", { class: "point", cx: x, cy: y, r: radius, fill: classColour(classIndex) });
  made.append(svg("title", {}, name));
  return made;
}

function nameOf({ name }: Mapped, [x, y]: Point): SVGElement {
  const left = x > WIDTH / 2;
  return svg("text", { x: x + (left ? -12 : 12), y: y + 4, "text-anchor": left ? "end" : "start" }, name);
}
