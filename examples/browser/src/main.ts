/** The page: files and the microphone in, what the model makes of them out. */

import { clearLabels, answerOf, showLabels } from "./labels_view";
import { listen } from "./listening";
import { LogMelView } from "./log_mel_view";
import { LogMel } from "./logmel";
import { MapView } from "./map_view";
import { UserError } from "./model";
import { Network } from "./network";
import { duration, element, html } from "./page";
import { asJson, sound, type Sound } from "./session";
import { decode, type Recording } from "./sound";

const DEFAULT_MODEL = "model.onnx";
const TRAIL = 60;

interface Opened {
  network: Network;
  logMel: LogMel;
  picture: LogMelView;
  map: MapView;
}

let opened: Opened | undefined;
let sounds: Sound[] = [];
let isSaved = true; // whether every sound's vector is in a file that was saved
let live: Sound[] = [];
let selected = -1;
let recording: Recording | undefined;

const microphone = element<HTMLButtonElement>("microphone");
const save = element<HTMLButtonElement>("save");

function say(text: string, isError = false): void {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}

function complain(error: unknown): void {
  if (!(error instanceof UserError)) console.error(error);
  say(error instanceof UserError ? error.message : `That went wrong: ${String(error)}`, true);
}

// One thing after the other, in the order in which the reader asked for it.
let last: Promise<void> = Promise.resolve();
function next(job: () => Promise<void>): void {
  last = last.then(job).catch(complain);
}

async function openModel(file: Uint8Array, called: string): Promise<void> {
  say(`Opening ${called}…`);
  const network = await Network.open(file, called);
  if (!isSaved && !confirm(`Open ${called}? Sounds and vectors of the present model go, and not all are saved.`)) {
    network.close();
    say(`${called} was not opened: the sounds and their vectors are still here.`);
    return;
  }
  await stopListening();
  opened?.network.close();
  const { info } = network;
  const map = new MapView(info.classes, choose);
  opened = { network, logMel: new LogMel(info.frontEnd), picture: new LogMelView(info.frontEnd), map };
  [sounds, live, selected, isSaved] = [[], [], -1, true];
  const kind = info.classes.length ? `classifier of ${info.classes.length} labels` : "student";
  element("model").textContent = `${called}: ${info.name}, ${kind}, vectors of ${info.embeddingDim} numbers`;
  element("licence").textContent = `Licence of the model: ${info.licence}`;
  element("sound-name").textContent = "Drop sound anywhere on the page";
  clearLabels();
  listSounds();
  say("Ready: drop sound on the page, or start the microphone.");
}

async function fetchModel(url: string, isDefault: boolean): Promise<void> {
  say("Loading the model…");
  const answer = await fetch(url).catch(() => undefined);
  // servers of single pages answer with the page itself where there is no such file
  const isThere = answer?.ok && !answer.headers.get("content-type")?.startsWith("text/html");
  if (answer && isThere) return openModel(new Uint8Array(await answer.arrayBuffer()), fileName(url));
  if (!isDefault) throw new UserError(`There is no model at ${url}.`);
  say("No model.onnx beside this page: drop a file that `sondo export` or `sondo probe` wrote.");
}

function fileName(url: string): string {
  return new URL(url, location.href).pathname.split("/").pop() || url;
}

function needed(): Opened {
  if (!opened) throw new UserError("Open a model first: a file that `sondo export` or `sondo probe` wrote.");
  return opened;
}

async function hearFile(file: File): Promise<void> {
  const { network, logMel } = needed();
  await stopListening();
  say(`Listening to ${file.name}…`);
  const { sampleRate } = network.info;
  const samples = await decode(file, file.name, sampleRate);
  const heard = await network.hear(samples, file.name);
  sounds.push(sound(file.name, samples.length / sampleRate, logMel.all(samples), heard, network.info));
  isSaved = false;
  choose(sounds.length - 1);
}

function choose(index: number): void {
  const { network, picture } = needed();
  selected = index;
  live = [];
  const { name, seconds, frames, predictions, took_ms } = sounds[index];
  picture.show(frames, seconds, name);
  element("sound-name").textContent = `${name}, ${duration(seconds)}`;
  showLabels(predictions, network.info);
  listSounds();
  const answer = predictions.length ? `: ${answerOf(predictions)}` : "";
  say(`${name}${answer}. ${duration(seconds)} of sound embedded in ${Math.round(took_ms)} ms.`);
}

function listSounds(): void {
  const items = sounds.map(({ name, seconds, predictions }, index) => {
    const button = html("button");
    button.type = "button";
    button.setAttribute("aria-current", String(index === selected));
    const note = predictions.length ? answerOf(predictions) : "";
    button.append(html("span", "", name), html("span", "quiet", duration(seconds)), html("span", "quiet", note));
    button.addEventListener("click", () => next(() => stopListening().then(() => choose(index))));
    const item = html("li");
    item.append(button);
    return item;
  });
  const list = element("sounds");
  list.replaceChildren(...items);
  if (selected >= 0) list.scrollTop = items[selected].offsetTop - list.offsetTop - list.clientHeight / 2;
  save.disabled = sounds.length === 0;
  opened?.map.show(sounds, live, selected);
}

async function startListening(): Promise<void> {
  const { network, picture, map } = needed();
  const choice = element<HTMLSelectElement>("window");
  say("Waiting for the microphone…");
  picture.clear();
  [live, selected] = [[], -1];
  listSounds();
  recording = await listen(network, () => Number(choice.value), {
    onFrames: (frames) => picture.scroll(frames),
    onHeard: (heard, seconds) => {
      const now = sound("now", seconds, new Float32Array(0), heard, network.info);
      live = [...live, now].slice(-TRAIL);
      showLabels(now.predictions, network.info);
      map.show(sounds, live, -1);
      const took = `${Math.round(heard.took_ms)} ms`;
      element("sound-name").textContent = `Microphone: ${duration(seconds)} embedded in ${took}`;
    },
    onError: complain,
    onEnd: () => next(stopListening),
  });
  microphone.textContent = "Stop microphone";
  microphone.setAttribute("aria-pressed", "true");
  say("Listening to the microphone.");
}

async function stopListening(): Promise<void> {
  if (!recording) return;
  await recording.stop();
  recording = undefined;
  microphone.textContent = "Start microphone";
  microphone.setAttribute("aria-pressed", "false");
  say("The microphone is off.");
}

function take(files: Iterable<File>): void {
  for (const file of files) {
    const isModel = file.name.toLowerCase().endsWith(".onnx");
    next(async () => (isModel ? openModel(new Uint8Array(await file.arrayBuffer()), file.name) : hearFile(file)));
  }
}

function saveVectors(): void {
  const content = new Blob([asJson(sounds, needed().network.info)], { type: "application/json" });
  const link = html("a");
  link.href = URL.createObjectURL(content);
  link.download = "vectors.json";
  link.click();
  URL.revokeObjectURL(link.href);
  isSaved = true;
}

for (const id of ["open-sound", "open-model"]) {
  const input = element<HTMLInputElement>(id);
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = ""; // so the same file can be chosen again
  });
}
microphone.addEventListener("click", () => next(recording ? stopListening : startListening));
save.addEventListener("click", saveVectors);
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take([...(event.dataTransfer?.files ?? [])]);
});

const asked = new URLSearchParams(location.search).get("model");
next(() => fetchModel(asked ?? DEFAULT_MODEL, asked === null));
