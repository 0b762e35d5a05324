/** The classifier's answer: the class in words, the probabilities as bars. */

import type { ModelInfo, Prediction } from "./model";
import { element, html, percent } from "./page";

/** More classes than these: the most probable ones alone. Up to here each keeps its place, which is calmer live. */
const MAX_BARS = 12;

/** Show predictions, most probable first; none for a student without a head. */
export function showLabels(predictions: Prediction[], info: ModelInfo): void {
  const answer = element("answer");
  const isClassifier = info.classes.length > 0;
  answer.className = isClassifier ? "heard" : "note";
  answer.textContent = isClassifier ? answerOf(predictions) : "A student without a head: sondo probe adds one";
  const few = info.classes.length <= MAX_BARS;
  const shown = few ? inOrder(predictions, info.classes) : predictions.slice(0, MAX_BARS);
  element("bars").replaceChildren(...shown.map(bar));
}

export function clearLabels(): void {
  element("answer").className = "note";
  element("answer").textContent = "Nothing heard yet";
  element("bars").replaceChildren();
}

/** The chosen classes in words. */
export function answerOf(predictions: Prediction[]): string {
  const chosen = predictions.filter(({ isChosen }) => isChosen).map(({ label }) => readable(label));
  return chosen.length ? chosen.join(", ") : "none of the labels";
}

export function readable(label: string): string {
  return label.replaceAll("_", " ");
}

function inOrder(predictions: Prediction[], classes: string[]): Prediction[] {
  return [...predictions].sort((a, b) => classes.indexOf(a.label) - classes.indexOf(b.label));
}

function bar({ label, probability, isChosen }: Prediction): HTMLLIElement {
  const item = html("li", isChosen ? "chosen" : "");
  item.dataset.label = label;
  const track = html("div", "track");
  const fill = html("div", "fill");
  fill.style.width = `${100 * probability}%`;
  track.append(fill);
  item.append(html("span", "name", readable(label)), html("span", "percent", percent(probability)), track);
  return item;
}
