/** Secrets go to the node; what comes back from it is shown, so they are taken out of that. */
import type { ActOutcome, Json, NodePort } from '../node-port.ts';
import { secretShown } from '../plan/planned-value.ts';

export type Secrets = { readonly [name: string]: string };

/** Of shorter ones every other word would be full. */
const SECRET_CHARS_MIN = 4;

/** The port of a node whose answers hold no secret. */
export function redactingPort(port: NodePort, secrets: Secrets): NodePort {
  const redact = redactor(secrets);
  if (!redact) return port;
  return {
    status: () => port.status(),
    fence: (epoch) => port.fence(epoch),
    act: async (request, signal) => redactJson(await port.act(request, signal), redact),
    actAny: async (requests, untilNs) => redactJson(await port.actAny(requests, untilNs), redact),
    probe: async (key) => redactJson(await port.probe(key), redact),
    waitUntil: (ns, signal) => port.waitUntil(ns, signal),
    measureService: (fromNs, toNs) => port.measureService(fromNs, toNs),
    measureMicrovisor: (fromNs, toNs) => port.measureMicrovisor(fromNs, toNs),
    measureTimeline: (fromNs, toNs) => port.measureTimeline(fromNs, toNs),
    onProgress: (listener) => port.onProgress((line) => listener(redact(line))),
    close: () => port.close(),
  };
}

type Redact = (text: string) => string;

/** Takes out the values as they are, as base64, and as JSON would quote them; the longest first. */
export function redactor(secrets: Secrets): Redact | undefined {
  const forms = Object.entries(secrets)
    .filter(([, value]) => value.length >= SECRET_CHARS_MIN)
    .flatMap(([name, value]) => {
      const written = [value, Buffer.from(value).toString('base64'), JSON.stringify(value).slice(1, -1)];
      return [...new Set(written)].map((text) => ({ text, shown: secretShown(name) }));
    })
    .sort((a, b) => b.text.length - a.text.length);
  if (forms.length === 0) return undefined;
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form.text, form.shown), text);
}

function redactJson<Value extends ActOutcome | object | Json | null>(value: Value, redact: Redact): Value {
  const visit = (part: unknown): unknown => {
    if (typeof part === 'string') return redact(part);
    if (Array.isArray(part)) return part.map(visit);
    if (part === null || typeof part !== 'object') return part;
    return Object.fromEntries(Object.entries(part).map(([key, member]) => [key, visit(member)]));
  };
  return visit(value) as Value;
}
