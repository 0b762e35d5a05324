/** Sound as the model takes it: mono samples at its rate, from a file or from the microphone. */

import captureUrl from "./capture.worklet.js?url";
import { UserError } from "./model";

/** Longer files are refused: the browser decodes a file whole, and the graph takes it whole. */
export const MAX_SOUND_S = 600;

/**
 * Decode a file. The browser resamples while it decodes, which is better than playing into a context of another rate:
 * Chromium interpolates linearly there.
 *
 * @throws UserError where the browser cannot decode it, it is too long, or a sample of it is not a finite number.
 */
export async function decode(file: Blob, called: string, sampleRate: number): Promise<Float32Array> {
  const context = new OfflineAudioContext(1, 1, sampleRate);
  let decoded: AudioBuffer;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new UserError(`${called}: this browser cannot decode it as sound. WAV, FLAC, Ogg, MP3 and m4a usually work.`);
  }
  if (decoded.duration > MAX_SOUND_S) {
    const minutes = (decoded.duration / 60).toFixed(1);
    throw new UserError(`${called} is ${minutes} min long, this page takes ${MAX_SOUND_S / 60}: use \`sondo embed\`.`);
  }
  const samples = mono(Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i)));
  const place = samples.findIndex((sample) => !Number.isFinite(sample));
  if (place >= 0) {
    const at = (place / sampleRate).toFixed(3);
    throw new UserError(`${called} holds a sample that is not a finite number, at ${at} s.`);
  }
  return samples;
}

/** The mean of channels of one length. */
export function mono(channels: Float32Array[]): Float32Array {
  if (channels.length === 1) return channels[0].slice();
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

export interface Recording {
  stop(): Promise<void>;
}

/**
 * Listen to the microphone, as it is: without echo cancellation, noise suppression and gain control.
 *
 * @param onSamples Gets each piece of mono sound at `sampleRate`.
 * @param onEnd Called where the microphone goes away by itself.
 * @throws UserError where there is no microphone, or none that may be used.
 */
export async function record(
  sampleRate: number,
  onSamples: (samples: Float32Array) => void,
  onEnd: () => void,
): Promise<Recording> {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new UserError("No microphone here: browsers allow it on https:// and on localhost alone.");
  }
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
    });
  } catch (error) {
    throw new UserError(microphoneReason(error));
  }
  const context = new AudioContext({ sampleRate });
  const stop = async () => {
    for (const track of stream.getTracks()) track.stop();
    if (context.state !== "closed") await context.close();
  };
  try {
    await context.audioWorklet.addModule(captureUrl);
    const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }: MessageEvent<Float32Array>) => onSamples(data);
    context.createMediaStreamSource(stream).connect(capture);
    await context.resume();
  } catch (error) {
    await stop();
    if (!(error instanceof DOMException) || error.name !== "NotSupportedError") throw error;
    throw new UserError(`This browser cannot record at ${sampleRate / 1000} kHz; Chromium can.`);
  }
  stream.getAudioTracks()[0].onended = onEnd;
  return { stop };
}

function microphoneReason(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The microphone is not allowed: permit it for this page in the browser.";
  if (name === "NotFoundError") return "No microphone was found.";
  if (name === "NotReadableError") return "The microphone cannot be read; another program may hold it.";
  return `The microphone cannot be used (${name || String(error)}).`;
}
