// Codes as docs/codes.md specifies them: what a phone makes, and what it reads.

import { ed25519Holds } from "./ed25519.js";

const TEXT = new TextEncoder();
export const SIGNATURE_BYTES = 64;
const TERMINAL_CERTIFICATE_BYTES = 144;
const CHALLENGE_BYTES = 224;

export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function number(value, bytes) {
  const raw = new Uint8Array(bytes);
  for (let i = bytes - 1, rest = value; i >= 0; i -= 1, rest = Math.floor(rest / 256)) raw[i] = rest % 256;
  if (!Number.isInteger(value) || value < 0 || value >= 256 ** bytes) throw new RangeError(`${value} in ${bytes} bytes`);
  return raw;
}

const read = (bytes, at, size) => bytes.slice(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0);

export const toDigits = (payload) => BigInt(`0x01${toHex(payload)}`).toString();

export function fromDigits(text) {
  if (text.length > 552 || !/^[1-9][0-9]*$/.test(text)) return null;
  const hex = BigInt(text).toString(16);
  return hex.length % 2 && hex[0] === "1" ? fromHex(hex.slice(1)) : null;
}

export const purposed = (purpose, tag, message) => joined(TEXT.encode(`HUIDIAN1/${purpose}\0`), tag, message);

// A phone's key: Ed25519 where the browser has it, else ES256. It never leaves the browser.
export async function makeKey() {
  try {
    const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return { algorithm: "ed25519", pair };
  } catch {
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const pair = await crypto.subtle.generateKey(curve, false, ["sign", "verify"]);
    return { algorithm: "es256", pair };
  }
}

export async function publicKeyHex({ algorithm, pair }) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  if (algorithm === "ed25519") return toHex(raw);
  // 65 bytes 04 || x || y become 33: the parity of y, and x.
  return toHex(joined(number(2 + (raw[64] & 1), 1), raw.slice(1, 33)));
}

export async function sign({ algorithm, pair }, purpose, tag, message) {
  const how = algorithm === "ed25519" ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
  return new Uint8Array(await crypto.subtle.sign(how, pair.privateKey, purposed(purpose, tag, message)));
}

export async function showDigits(phone, counter, atSeconds) {
  const body = joined(fromHex(phone.certificate), number(atSeconds, 4), number(counter, 2));
  const signature = await sign(phone.key, "phone-show", fromHex(phone.tag), body);
  return toDigits(joined(body, signature));
}

export async function confirmDigits(phone, counter, challenge) {
  const body = joined(number(0x13, 1), fromHex(phone.account), number(phone.seq, 2), number(counter, 2));
  const signature = await sign(phone.key, "phone-confirm", fromHex(phone.tag), joined(body, challenge));
  return toDigits(joined(body, signature));
}

// What a terminal asks, or null: cut off, another pool's, or nobody's.
export async function readChallenge(text, phone) {
  const payload = fromDigits(text.trim());
  if (payload === null || payload.length !== CHALLENGE_BYTES || payload[0] !== 0x21) return null;
  const issuer = phone.issuerKeys.find((key) => key.kid === payload[1]);
  if (issuer === undefined) return null;
  const tag = fromHex(phone.tag);
  const certified = payload.slice(0, TERMINAL_CERTIFICATE_BYTES);
  const certificateHolds = await ed25519Holds(
    fromHex(issuer.public_key),
    purposed("terminal-certificate", tag, certified.slice(0, -SIGNATURE_BYTES)),
    certified.slice(-SIGNATURE_BYTES),
  );
  const asked = payload.slice(0, -SIGNATURE_BYTES);
  const asks = await ed25519Holds(
    payload.slice(2, 34),
    purposed("terminal-challenge", tag, asked),
    payload.slice(-SIGNATURE_BYTES),
  );
  if (!certificateHolds || !asks) return null;
  const name = payload.slice(38, 80);
  const end = name.indexOf(0);
  const shop = new TextDecoder().decode(end < 0 ? name : name.slice(0, end));
  return { payload, shop, points: read(payload, TERMINAL_CERTIFICATE_BYTES, 4) };
}
