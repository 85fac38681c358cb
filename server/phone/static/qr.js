// QR codes of digits (ISO/IEC 18004, numeric mode, versions 1 to 10, levels L and M).
// `encode` gives rows of 0 and 1, without the quiet zone.

const TOTAL = [0, 26, 44, 70, 100, 134, 172, 196, 242, 292, 346]; // codewords of a version
// Error correction: codewords in each block, and blocks.
const LEVELS = {
  L: { bits: 1, blocks: [null, [7, 1], [10, 1], [15, 1], [20, 1], [26, 1], [18, 2], [20, 2], [24, 2], [30, 2], [18, 4]] },
  M: { bits: 0, blocks: [null, [10, 1], [16, 1], [26, 1], [18, 2], [24, 2], [16, 4], [18, 4], [22, 4], [22, 5], [26, 5]] },
};
const ALIGNMENT = [null, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

// The field with 256 elements, by x^8 + x^4 + x^3 + x^2 + 1.
const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, value = 1; i < 255; i += 1) {
  EXP[i] = EXP[i + 255] = value;
  LOG[value] = i;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function generator(degree) {
  let poly = [1];
  for (let i = 0; i < degree; i += 1) {
    const next = new Array(poly.length + 1).fill(0);
    poly.forEach((factor, at) => {
      next[at] ^= factor;
      next[at + 1] ^= times(factor, EXP[i]);
    });
    poly = next;
  }
  return poly;
}

function correction(data, count) {
  const divisor = generator(count);
  const rest = new Array(count).fill(0);
  for (const byte of data) {
    const factor = byte ^ rest.shift();
    rest.push(0);
    for (let i = 0; i < count; i += 1) rest[i] ^= times(divisor[i + 1], factor);
  }
  return rest;
}

const countBits = (version) => (version < 10 ? 10 : 12);
const digitBits = (length) => Math.floor(length / 3) * 10 + [0, 4, 7][length % 3];

function versionFor(length, level) {
  for (let version = 1; version <= 10; version += 1) {
    const [each, blocks] = level.blocks[version];
    const room = (TOTAL[version] - each * blocks) * 8;
    if (4 + countBits(version) + digitBits(length) <= room) return version;
  }
  throw new RangeError("too many digits for a code");
}

function dataCodewords(digits, version, level) {
  const [each, blocks] = level.blocks[version];
  const room = TOTAL[version] - each * blocks;
  const bits = [];
  const put = (value, length) => {
    for (let i = length - 1; i >= 0; i -= 1) bits.push((value >> i) & 1);
  };
  put(0b0001, 4);
  put(digits.length, countBits(version));
  for (let at = 0; at < digits.length; at += 3) {
    const group = digits.slice(at, at + 3);
    put(Number(group), [0, 4, 7, 10][group.length]);
  }
  put(0, Math.min(4, room * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const bytes = [];
  for (let at = 0; at < bits.length; at += 8) bytes.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let pad = 0xec; bytes.length < room; pad ^= 0xec ^ 0x11) bytes.push(pad);
  return bytes;
}

function interleaved(data, version, level) {
  const [each, count] = level.blocks[version];
  const short = Math.floor(data.length / count);
  const long = data.length % count; // so many blocks at the end have one more
  const blocks = [];
  for (let i = 0, at = 0; i < count; i += 1) {
    const size = short + (i >= count - long ? 1 : 0);
    blocks.push(data.slice(at, at + size));
    at += size;
  }
  const fixes = blocks.map((block) => correction(block, each));
  const all = [];
  for (let i = 0; i <= short; i += 1) for (const block of blocks) if (i < block.length) all.push(block[i]);
  for (let i = 0; i < each; i += 1) for (const fix of fixes) all.push(fix[i]);
  return all;
}

// Remainder of a polynomial over two elements: format and version carry it.
function bch(value, bits, divisor) {
  const degree = 31 - Math.clz32(divisor);
  let rest = value << degree;
  for (let i = bits - 1; i >= 0; i -= 1) if ((rest >> (i + degree)) & 1) rest ^= divisor << i;
  return (value << degree) | rest;
}

function emptyGrid(version) {
  const size = version * 4 + 17;
  const grid = Array.from({ length: size }, () => new Array(size).fill(null));
  const set = (x, y, dark) => {
    if (x >= 0 && y >= 0 && x < size && y < size) grid[y][x] = dark ? 1 : 0;
  };
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]]) {
    for (let dy = -4; dy <= 4; dy += 1) {
      for (let dx = -4; dx <= 4; dx += 1) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        set(cx + dx, cy + dy, ring !== 2 && ring !== 4);
      }
    }
  }
  const places = ALIGNMENT[version];
  const last = places.length - 1;
  places.forEach((cy, row) =>
    places.forEach((cx, column) => {
      const corner = (row === 0 && (column === 0 || column === last)) || (row === last && column === 0);
      if (corner) return;
      for (let dy = -2; dy <= 2; dy += 1) {
        for (let dx = -2; dx <= 2; dx += 1) set(cx + dx, cy + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    }),
  );
  for (let i = 8; i < size - 8; i += 1) {
    set(i, 6, i % 2 === 0);
    set(6, i, i % 2 === 0);
  }
  if (version >= 7) {
    const bits = bch(version, 6, 0x1f25);
    for (let i = 0; i < 18; i += 1) {
      const dark = (bits >> i) & 1;
      set(size - 11 + (i % 3), Math.floor(i / 3), dark);
      set(Math.floor(i / 3), size - 11 + (i % 3), dark);
    }
  }
  return grid;
}

function putFormat(grid, levelBits, mask) {
  const size = grid.length;
  const bits = bch((levelBits << 3) | mask, 5, 0x537) ^ 0x5412;
  for (let i = 0; i < 15; i += 1) {
    const dark = (bits >> i) & 1;
    // Beside the upper left square, going round the timing lines …
    if (i < 6) grid[i][8] = dark;
    else if (i < 8) grid[i + 1][8] = dark;
    else if (i === 8) grid[8][7] = dark;
    else grid[8][14 - i] = dark;
    // … and once more beside the two others.
    if (i < 8) grid[8][size - 1 - i] = dark;
    else grid[size - 15 + i][8] = dark;
  }
  grid[size - 8][8] = 1;
}

function fill(grid, taken, codewords, mask) {
  const size = grid.length;
  let at = 0;
  let up = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // the timing column is none of the data's
    for (let step = 0; step < size; step += 1) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (taken[y][x]) continue;
        const bit = at < codewords.length * 8 ? (codewords[at >> 3] >> (7 - (at & 7))) & 1 : 0;
        at += 1;
        grid[y][x] = bit ^ (MASKS[mask](x, y) ? 1 : 0);
      }
    }
    up = !up;
  }
}

const LIGHT_BEFORE = "00001011101";
const LIGHT_AFTER = "10111010000";

function penalty(grid) {
  const size = grid.length;
  let points = 0;
  let dark = 0;
  const lines = [...grid, ...grid.map((_, x) => grid.map((row) => row[x]))];
  for (const line of lines) {
    let run = 1;
    for (let i = 1; i <= size; i += 1) {
      if (i < size && line[i] === line[i - 1]) run += 1;
      else {
        if (run >= 5) points += run - 2;
        run = 1;
      }
    }
    const text = line.join("");
    for (const pattern of [LIGHT_BEFORE, LIGHT_AFTER]) {
      for (let from = text.indexOf(pattern); from >= 0; from = text.indexOf(pattern, from + 1)) points += 40;
    }
  }
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      dark += grid[y][x];
      if (x && y && grid[y][x] === grid[y - 1][x] && grid[y][x] === grid[y][x - 1] && grid[y][x] === grid[y - 1][x - 1]) points += 3;
    }
  }
  return points + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10;
}

export function encode(digits, levelName = "L") {
  if (!/^\d+$/.test(digits)) throw new TypeError("a code has digits only");
  const level = LEVELS[levelName];
  const version = versionFor(digits.length, level);
  const codewords = interleaved(dataCodewords(digits, version, level), version, level);
  const base = emptyGrid(version);
  putFormat(base, level.bits, 0);
  const taken = base.map((row) => row.map((cell) => cell !== null));
  let best = null;
  for (let mask = 0; mask < 8; mask += 1) {
    const grid = base.map((row) => [...row]);
    putFormat(grid, level.bits, mask);
    fill(grid, taken, codewords, mask);
    const points = penalty(grid);
    if (best === null || points < best.points) best = { grid, points };
  }
  return best.grid;
}

export function draw(canvas, digits, levelName = "L") {
  const rows = encode(digits, levelName);
  const size = rows.length + 8;
  // Whole pixels a module, as many as the screen has.
  const wanted = canvas.clientWidth * (window.devicePixelRatio || 1);
  const scale = Math.max(2, Math.floor(wanted / size));
  canvas.width = canvas.height = size * scale;
  const paint = canvas.getContext("2d");
  paint.fillStyle = "#fff";
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.fillStyle = "#000";
  rows.forEach((row, y) =>
    row.forEach((dark, x) => {
      if (dark) paint.fillRect((x + 4) * scale, (y + 4) * scale, scale, scale);
    }),
  );
}
