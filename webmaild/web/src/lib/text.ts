// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Between plain text and HTML, for what is composed: quoting, and the text alternative of a rich message.

export function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Lines to blocks, as the editor keeps them. */
export function textToHtml(text: string): string {
	return text.split(/\r?\n/).map((line) => {
		const kept = escapeHtml(line).replace(/ {2}/g, ' \u00a0').replace(/^ /, '\u00a0');
		return `<div>${kept === '' ? '<br>' : kept}</div>`;
	}).join('');
}

/** "> " before each line; lines that are quotes already get ">" alone (RFC 3676 4.5). */
export function quoteText(text: string): string {
	return text.replace(/\s+$/, '').split(/\r?\n/).map((line) => (line === '' ? '>' : line.startsWith('>') ? `>${line}` : `> ${line}`)).join('\n');
}

/** The parts of a node that htmlToText needs: a DOM node fits. */
export interface TextNode {
	nodeName: string;
	nodeValue: string | null;
	childNodes: ArrayLike<TextNode>;
	getAttribute?(name: string): string | null;
}

const blocks = new Set(['DIV', 'P', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'UL', 'OL', 'LI', 'BLOCKQUOTE', 'PRE', 'TABLE', 'TR', 'DL', 'DT', 'DD', 'CENTER', 'FIGURE', 'SECTION', 'ARTICLE', 'HEADER', 'FOOTER', 'HR']);
const spaced = new Set(['P', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'BLOCKQUOTE', 'UL', 'OL', 'TABLE', 'PRE']);
const skipped = new Set(['STYLE', 'SCRIPT', 'TITLE', 'HEAD', 'TEMPLATE', '#comment']);

class Lines {
	lines: string[] = [];
	line = '';
	/** A blank line is due before the next text. */
	gap = false;

	text(text: string, keep: boolean): void {
		let piece = keep ? text : text.replace(/[\t\n\r ]+/g, ' ');
		if (!keep && (this.line === '' || this.line.endsWith(' '))) piece = piece.replace(/^ /, '');
		if (piece === '') return;
		if (this.gap && this.lines.length > 0) this.lines.push('');
		this.gap = false;
		const [first, ...rest] = piece.split('\n');
		this.line += first!;
		for (const next of rest) {
			this.end();
			this.line = next;
		}
	}

	end(): void {
		this.lines.push(this.line.replace(/ +$/, ''));
		this.line = '';
	}

	block(): void {
		if (this.line !== '') this.end();
	}
}

function walk(node: TextNode, out: Lines, keep: boolean): void {
	const name = node.nodeName.toUpperCase();
	if (skipped.has(name) || skipped.has(node.nodeName)) return;
	if (node.nodeName === '#text') {
		out.text((node.nodeValue ?? '').replace(/\u200b/g, '').replace(/\u00a0/g, ' '), keep);
		return;
	}
	if (name === 'BR') {
		out.text('', keep);
		if (out.gap && out.lines.length > 0) out.lines.push('');
		out.gap = false;
		out.end();
		return;
	}
	if (name === 'HR') {
		out.block();
		out.text('-'.repeat(30), true);
		out.block();
		return;
	}
	if (name === 'IMG') {
		out.text(node.getAttribute?.('alt') ? `[${node.getAttribute('alt')}]` : '', keep);
		return;
	}
	const isBlock = blocks.has(name);
	if (isBlock) out.block();
	if (spaced.has(name)) out.gap = out.gap || out.lines.length > 0;
	if (name === 'BLOCKQUOTE' || name === 'UL' || name === 'OL') {
		nested(node, name, out);
	} else {
		const before = out.lines.length;
		const start = out.line.length;
		for (const child of Array.from(node.childNodes)) walk(child, out, keep || name === 'PRE');
		if (name === 'A') link(node, out, out.lines.length === before ? out.line.slice(start) : '');
		if (name === 'TD' || name === 'TH') out.text(' ', keep);
	}
	if (isBlock) out.block();
	if (spaced.has(name)) out.gap = true;
}

function nested(node: TextNode, name: string, out: Lines): void {
	if (name === 'BLOCKQUOTE') {
		const inner = new Lines();
		for (const child of Array.from(node.childNodes)) walk(child, inner, false);
		inner.block();
		out.text(quoteText(inner.lines.join('\n')), true);
		return;
	}
	let number = 1;
	for (const child of Array.from(node.childNodes)) {
		if (child.nodeName.toUpperCase() === '#TEXT' && (child.nodeValue ?? '').trim() === '') continue;
		const inner = new Lines();
		walk(child, inner, false);
		inner.block();
		const mark = child.nodeName.toUpperCase() === 'LI' ? (name === 'OL' ? `${number++}. ` : '- ') : '  ';
		const indent = ' '.repeat(mark.length);
		const lines = inner.lines.filter((line, i) => line !== '' || i > 0);
		out.text(lines.map((line, i) => (i === 0 ? mark : indent) + line).join('\n'), true);
		out.block();
	}
}

function link(node: TextNode, out: Lines, text: string): void {
	const href = node.getAttribute?.('href') ?? '';
	if (!/^https?:/i.test(href)) return;
	const bare = (url: string): string => url.trim().replace(/^https?:\/\//i, '').replace(/\/$/, '');
	if (bare(text) !== bare(href)) out.text(` <${href}>`, true);
}

/** The text of a rich message: paragraphs, lists, quotes as "> ", links followed by their target. */
export function htmlToText(root: TextNode): string {
	const out = new Lines();
	for (const child of Array.from(root.childNodes)) walk(child, out, false);
	out.block();
	return `${out.lines.join('\n').replace(/\n{3,}/g, '\n\n').trim()}\n`;
}

/** A search snippet (RFC 8621 section 5: text with <mark>, and &, <, > escaped) as runs of marked and unmarked text. */
export function snippetRuns(snippet: string): { text: string; marked: boolean }[] {
	const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
	const decode = (text: string): string => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!);
	const runs: { text: string; marked: boolean }[] = [];
	let marked = false;
	for (const piece of snippet.split(/(<\/?mark>)/)) {
		if (piece === '<mark>' || piece === '</mark>') marked = piece === '<mark>';
		else if (piece !== '') runs.push({ text: decode(piece), marked });
	}
	return runs;
}

/** "Re: " once, whatever the mail programs on the way made of it. */
export function prefixSubject(prefix: string, subject: string | null): string {
	const pattern = prefix === 'Re' ? /^\s*(?:(?:re|aw|sv|回复|答复)\s*(?:\[\d+\])?[:：]\s*)+/i : /^\s*(?:(?:fwd?|wg|转发)\s*[:：]\s*)+/i;
	return `${prefix}: ${(subject ?? '').replace(pattern, '')}`;
}

/** Whether the text speaks of an attachment. Quoted lines do not count. */
export function speaksOfAttachment(text: string): boolean {
	const own = text.split('\n').filter((line) => !line.startsWith('>')).join('\n');
	return /\battach(?:ed|ment|ments|ing)?\b|附件|附上|随附/i.test(own);
}
