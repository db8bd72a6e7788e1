// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The search box's grammar: words, "phrases", -not, and operators such as from:anna or before:2026-01-31, to a JMAP filter
// (RFC 8621 4.4.1).

export type Condition = Record<string, unknown>;
export type Filter = Condition | { operator: 'AND' | 'OR' | 'NOT'; conditions: Filter[] };

export interface Term {
	/** The operator in lower case, or "" for plain words. */
	operator: string;
	value: string;
	negated: boolean;
}

export interface SearchContext {
	/** The mailbox of a name, role or path; null when there is none. */
	mailbox(name: string): string | null;
	/** Mailboxes left out unless in: names one: trash and junk. */
	excluded: string[];
}

export interface Search {
	filter: Filter | null;
	/** Operators whose value means nothing, as typed: "before:soon". */
	problems: string[];
	/** The words that a snippet may mark. */
	hasText: boolean;
}

export const operators = ['from', 'to', 'cc', 'subject', 'body', 'has', 'is', 'in', 'before', 'after', 'larger', 'smaller'] as const;

/** A value runs to white space, or to the closing quote. An unknown operator is text: "re:report", "http://x". */
export function parseTerms(text: string): Term[] {
	const terms: Term[] = [];
	const pattern = /(-?)(?:([A-Za-z]+)[:：])?(?:"([^"]*)"?|“([^”]*)”?|(\S+))?/gu;
	let at = 0;
	while (at < text.length) {
		if (/\s/u.test(text[at]!)) {
			at++;
			continue;
		}
		pattern.lastIndex = at;
		const match = pattern.exec(text)!;
		if (match[0] === '' || match.index !== at) {
			at++;
			continue;
		}
		at += match[0].length;
		const operator = match[2]?.toLowerCase() ?? '';
		const known = (operators as readonly string[]).includes(operator);
		let value = match[3] ?? match[4] ?? match[5] ?? '';
		if (operator && !known) value = match[0].slice(match[1]!.length);
		if (value === '' && !known) continue;
		terms.push({ operator: known ? operator : '', value, negated: match[1] === '-' });
	}
	return terms;
}

/** "2026-01-31", "2026/1/31", "20260131", "7d", "2w", "3m", "1y" to the first moment of that day; null when it is none. */
export function parseDay(text: string, now: Date = new Date()): Date | null {
	const ago = /^(\d{1,4})([dwmy])$/i.exec(text);
	if (ago) {
		const count = Number(ago[1]);
		const day = new Date(now.getFullYear(), now.getMonth(), now.getDate());
		const unit = ago[2]!.toLowerCase();
		if (unit === 'd') day.setDate(day.getDate() - count);
		else if (unit === 'w') day.setDate(day.getDate() - 7 * count);
		else if (unit === 'm') day.setMonth(day.getMonth() - count);
		else day.setFullYear(day.getFullYear() - count);
		return day;
	}
	const parts = /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?$/.exec(text) ?? /^(\d{4})(\d{2})(\d{2})$/.exec(text) ?? /^(\d{4})$/.exec(text);
	if (!parts) return null;
	const [year, month, date] = [Number(parts[1]), Number(parts[2] ?? 1), Number(parts[3] ?? 1)];
	const day = new Date(year, month - 1, date);
	return day.getMonth() === month - 1 && day.getDate() === date ? day : null;
}

function utc(date: Date): string {
	return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function parseBytes(text: string): number | null {
	const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)b?$/i.exec(text);
	if (!match) return null;
	const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2]!.toLowerCase()]!;
	return Math.round(Number(match[1]) * unit);
}

const states: Record<string, Condition> = {
	unread: { notKeyword: '$seen' },
	read: { hasKeyword: '$seen' },
	flagged: { hasKeyword: '$flagged' },
	starred: { hasKeyword: '$flagged' },
	unflagged: { notKeyword: '$flagged' },
	answered: { hasKeyword: '$answered' },
	replied: { hasKeyword: '$answered' },
	forwarded: { hasKeyword: '$forwarded' },
	draft: { hasKeyword: '$draft' },
};

function conditionOf(term: Term, context: SearchContext): Condition | null {
	const { value } = term;
	switch (term.operator) {
	case '':
		return { text: value };
	case 'from':
	case 'to':
	case 'cc':
	case 'subject':
	case 'body':
		return value === '' ? null : { [term.operator]: value };
	case 'has':
		if (/^attach(ment)?s?$|^files?$/i.test(value)) return { hasAttachment: true };
		return /^(flag|star)$/i.test(value) ? states.flagged! : null;
	case 'is':
		return states[value.toLowerCase()] ?? null;
	case 'in': {
		const mailbox = context.mailbox(value);
		return mailbox ? { inMailbox: mailbox } : null;
	}
	case 'before':
	case 'after': {
		const day = parseDay(value);
		return day ? { [term.operator]: utc(day) } : null;
	}
	case 'larger': {
		const bytes = parseBytes(value);
		return bytes === null ? null : { minSize: bytes };
	}
	default: {
		const bytes = parseBytes(value);
		return bytes === null ? null : { maxSize: bytes };
	}
	}
}

export function parseSearch(text: string, context: SearchContext): Search {
	const conditions: Filter[] = [];
	const problems: string[] = [];
	let everywhere = false;
	let hasText = false;
	for (const term of parseTerms(text)) {
		if (term.operator === 'in') {
			everywhere = true;
			if (/^(any|all|anywhere|everywhere)$/i.test(term.value)) continue;
		}
		const condition = conditionOf(term, context);
		if (!condition) {
			problems.push(`${term.operator}:${term.value}`);
			continue;
		}
		if (!term.negated && ['', 'subject', 'body'].includes(term.operator)) hasText = true;
		conditions.push(term.negated ? { operator: 'NOT', conditions: [condition] } : condition);
	}
	if (conditions.length === 0) return { filter: null, problems, hasText: false };
	if (!everywhere && context.excluded.length > 0) conditions.push({ inMailboxOtherThan: context.excluded });
	return { filter: conditions.length === 1 ? conditions[0]! : { operator: 'AND', conditions }, problems, hasText };
}

/** A value as it must be typed: quoted when it has white space. */
export function quoteValue(value: string): string {
	return /\s/.test(value) ? `"${value.replace(/"/g, '')}"` : value;
}
