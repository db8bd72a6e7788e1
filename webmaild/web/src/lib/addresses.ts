// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Address lists as people type and paste them (RFC 5322 3.4, read leniently), and back to text.

export interface Address {
	name: string | null;
	email: string;
}

export interface ParsedAddresses {
	addresses: Address[];
	/** Pieces that are no address, as they were typed. */
	invalid: string[];
}

const atext = "[^\\s\"(),:;<>@\\[\\]\\\\]";
const emailPattern = new RegExp(`^(?:${atext}+|"(?:[^"\\\\]|\\\\.)+")@(?:${atext}+|\\[[0-9A-Fa-f:.IPv]+\\])$`, 'u');

/** Whether this could be an address: one "@", a local part and a domain, without dots out of place. */
export function isEmail(text: string): boolean {
	if (text.length > 320 || !emailPattern.test(text)) return false;
	const domain = text.slice(text.lastIndexOf('@') + 1);
	const local = text.slice(0, text.lastIndexOf('@'));
	if (domain.startsWith('[')) return true;
	if (!local.startsWith('"') && (local.startsWith('.') || local.endsWith('.') || local.includes('..'))) return false;
	return domain.split('.').every((label) => label !== '' && !label.startsWith('-') && !label.endsWith('-'));
}

/** Cuts at commas, semicolons and line ends that stand outside quotes, comments and angle brackets. */
function pieces(text: string): string[] {
	const found: string[] = [];
	let piece = '';
	let quoted = false;
	let comment = 0;
	let angle = false;
	for (let i = 0; i < text.length; i++) {
		const c = text[i]!;
		if ((quoted || comment > 0) && c === '\\' && i + 1 < text.length) {
			piece += c + text[++i]!;
			continue;
		}
		if (quoted) quoted = c !== '"';
		else if (c === '(') comment++;
		else if (comment > 0) comment -= c === ')' ? 1 : 0;
		else if (c === '"') quoted = true;
		else if (c === '<') angle = true;
		else if (c === '>') angle = false;
		const ends = c === '\n' || (!quoted && comment === 0 && !angle && (c === ',' || c === ';' || c === '，' || c === '；' || c === '、'));
		if (ends) {
			found.push(piece);
			piece = '';
			quoted = angle = false;
			comment = 0;
		} else if (c !== '\r') {
			piece += c;
		}
	}
	found.push(piece);
	return found.map((p) => p.trim()).filter((p) => p !== '');
}

function unquote(text: string): string {
	const trimmed = text.trim();
	const quoted = /^"((?:[^"\\]|\\.)*)"$/s.exec(trimmed) ?? /^'(.*)'$/s.exec(trimmed);
	return (quoted ? quoted[1]!.replace(/\\(.)/gs, '$1') : trimmed.replace(/"/g, '')).replace(/\s+/g, ' ').trim();
}

function parseOne(text: string): Address | null {
	const angle = /^(.*)<\s*(?:mailto:)?([^<>]*?)\s*>\s*(?:\([^()]*\))?$/s.exec(text);
	if (angle) {
		const email = angle[2]!;
		return isEmail(email) ? { name: unquote(angle[1]!) || null, email } : null;
	}
	const comment = /^(\S+)\s*\(([^()]*)\)$/.exec(text);
	if (comment && isEmail(comment[1]!)) return { name: comment[2]!.trim() || null, email: comment[1]! };
	const bare = text.replace(/^mailto:/i, '');
	return isEmail(bare) ? { name: null, email: bare } : null;
}

/** Addresses that only white space divides ("a@x b@x"), as mail programs copy them. */
function parseSpaced(text: string): Address[] | null {
	const words = text.split(/\s+/);
	return words.length > 1 && words.every(isEmail) ? words.map((email) => ({ name: null, email })) : null;
}

export function parseAddresses(text: string): ParsedAddresses {
	const result: ParsedAddresses = { addresses: [], invalid: [] };
	for (const piece of pieces(text)) {
		// A group: "Team: a@x, b@x;" leaves its name before the first member.
		const member = /^[^"<>@:]*:\s*(.*)$/s.exec(piece);
		const rest = member && !/^mailto:/i.test(piece) ? member[1]! : piece;
		if (rest === '') continue;
		const one = parseOne(rest);
		const several = one ? [one] : parseSpaced(rest);
		if (several) result.addresses.push(...several);
		else result.invalid.push(piece);
	}
	return result;
}

/** "Name <address>", the name quoted when it must be. */
export function formatAddress(address: Address): string {
	if (!address.name) return address.email;
	const plain = !/[()<>[\]:;@\\,."]/.test(address.name);
	const name = plain ? address.name : `"${address.name.replace(/(["\\])/g, '\\$1')}"`;
	return `${name} <${address.email}>`;
}

/** What a list shows for a sender or recipient. */
export function shortName(address: Address): string {
	return address.name?.trim() || address.email;
}

export function sameEmail(a: string, b: string): boolean {
	return a.toLowerCase() === b.toLowerCase();
}

/** Without doubles and without any of `without`; the first of each stays. */
export function uniqueAddresses(addresses: Address[], without: string[] = []): Address[] {
	const seen = new Set(without.map((email) => email.toLowerCase()));
	return addresses.filter(({ email }) => {
		const key = email.toLowerCase();
		if (seen.has(key)) return false;
		seen.add(key);
		return true;
	});
}

/** One or two letters that stand for a person. */
export function initials(address: Address): string {
	const name = shortName(address).replace(/["'()<>[\]]/g, '').trim();
	const first = Array.from(name)[0] ?? '?';
	if (!/\p{Script=Latin}|\p{Script=Cyrillic}|\p{Script=Greek}/u.test(first)) return first.toUpperCase();
	const words = address.name ? name.split(/\s+/).filter((word) => /^\p{L}/u.test(word)) : [];
	const last = words.length > 1 ? Array.from(words[words.length - 1]!)[0]! : '';
	return (first + last).toUpperCase();
}

/** A number below `count` that is always the same for an address. */
export function hueOf(email: string, count: number): number {
	let hash = 7;
	for (const c of email.toLowerCase()) hash = (hash * 31 + c.codePointAt(0)!) >>> 0;
	return hash % count;
}
