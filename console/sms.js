// How many messages a text takes, by 3GPP TS 23.038 (the GSM 7 bit default alphabet and
// its extension table, 6.2.1; UCS2, 6.2.3) and TS 23.040 (parts of a long one, 9.2.3.24.1).

/** Without ESC, which stands for the extension table. */
const BASIC = new Set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà");
/** Each takes two places: ESC, and its own. */
const EXTENSION = new Set("\f^{}\\[~]|€");

/** Places of one message, and of each part of several, which the header takes room from. */
const GSM = { name: "GSM-7", one: 160, part: 153 };
const UCS2 = { name: "UCS-2", one: 70, part: 67 };

/**
 * What a text takes.
 *
 * @param {string} text
 * @returns {{ alphabet: string, units: number, parts: number, part: number, odd: string }} `odd` is the
 *     first character that GSM-7 has not
 */
export function measure(text) {
  const characters = [...text];
  const odd = characters.find((one) => !BASIC.has(one) && !EXTENSION.has(one)) ?? "";
  const alphabet = odd ? UCS2 : GSM;
  const widths = characters.map((one) => (odd ? one.length : EXTENSION.has(one) ? 2 : 1));
  const units = widths.reduce((sum, width) => sum + width, 0);
  const isOne = units <= alphabet.one;
  return { alphabet: alphabet.name, units, parts: isOne ? Math.min(1, units) : split(widths, alphabet.part), part: isOne ? alphabet.one : alphabet.part, odd };
}

/** How many parts there are: none of them ends within a character. @param {number[]} widths @param {number} part */
function split(widths, part) {
  let parts = 1;
  let taken = 0;
  for (const width of widths) {
    if (taken + width > part) {
      parts += 1;
      taken = 0;
    }
    taken += width;
  }
  return parts;
}
