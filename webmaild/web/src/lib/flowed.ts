// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// format=flowed (RFC 3676), undone: paragraphs as single lines, quoted ones behind their marks.

export interface Flowed {
	/** Spaces at soft line ends were put there for them, as in scripts that write without. */
	delSp: boolean;
}

/** From the value of a Content-Type field; null: its lines are meant as they stand. */
export function flowedOf(contentType: string | null | undefined): Flowed | null {
	if (!/;\s*format\s*=\s*"?flowed\b/i.test(contentType ?? '')) return null;
	return { delSp: /;\s*delsp\s*=\s*"?yes\b/i.test(contentType!) };
}

export function unflow(text: string, { delSp }: Flowed): string {
	const lines: { depth: number; text: string; soft: boolean }[] = [];
	for (const line of text.split(/\r?\n/)) {
		const depth = /^>*/.exec(line)![0].length;
		const content = line.slice(depth).replace(/^ /, '');
		const fixed = content === '-- ' || !content.endsWith(' ');
		const part = fixed || !delSp ? content : content.slice(0, -1);
		const before = lines.at(-1);
		// A paragraph ends where the depth changes, whatever its line says (section 4.5), and at a signature (4.3).
		if (before?.soft && before.depth === depth && content !== '-- ') {
			before.text += part;
			before.soft = !fixed;
		} else {
			lines.push({ depth, text: part, soft: !fixed });
		}
	}
	return lines.map((line) => (line.depth > 0 ? `${'>'.repeat(line.depth)} ${line.text}`.trimEnd() : line.text)).join('\n');
}
