// Reads QR codes with the camera: by the browser's own detector, else by a decoder that was
// packed beside this page (vendor-decoder.js, see docs/codes.md); null where there is neither.

const EVERY_MS = 120;

async function ownDetector() {
  if (!("BarcodeDetector" in window)) return null;
  try {
    const kinds = await BarcodeDetector.getSupportedFormats();
    return kinds.includes("qr_code") ? new BarcodeDetector({ formats: ["qr_code"] }) : null;
  } catch {
    return null; // some browsers have the name and nothing behind it
  }
}

async function decoder() {
  const detector = await ownDetector();
  if (detector !== null) return async (video) => (await detector.detect(video)).map((found) => found.rawValue);
  const packed = await import("./vendor-decoder.js").catch(() => null);
  if (packed === null) return null;
  const canvas = document.createElement("canvas");
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    if (!canvas.width) return [];
    paint.drawImage(video, 0, 0);
    const picture = paint.getImageData(0, 0, canvas.width, canvas.height);
    const found = packed.default(picture.data, picture.width, picture.height);
    return found ? [found.data] : [];
  };
}

export class NoCamera extends Error {}
export class NoDecoder extends Error {}

// Calls `onText` with every code that is seen; returns what stops it.
export async function watch(video, onText) {
  const decode = await decoder();
  if (decode === null) throw new NoDecoder();
  let stream;
  try {
    const video = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    stream = await navigator.mediaDevices.getUserMedia({ video });
  } catch (error) {
    throw new NoCamera(String(error));
  }
  video.srcObject = stream;
  await video.play();
  let going = true;
  (async () => {
    while (going) {
      for (const text of await decode(video).catch(() => [])) if (going) onText(text);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return () => {
    going = false;
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}
