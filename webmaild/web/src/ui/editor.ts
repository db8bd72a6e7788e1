// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The rich text editor: Squire, fed only with sanitised HTML. A chunk of its own, loaded when somebody writes.
import Squire from 'squire-rte';
import { htmlToText } from '../lib/text.ts';
import { applyStyles, sanitizeToFragment, sanitizeToString } from './sanitize.ts';

/** Without Trusted Types the string, sanitised just the same, is what innerHTML takes. */
const policy = window.trustedTypes?.createPolicy('webmail', { createHTML: sanitizeToString }) ?? { createHTML: sanitizeToString };

class Editing extends Squire {
	/** Undo and redo write the document anew: that, too, goes through the sanitiser. */
	override _setRawHTML(html: string): this {
		super._setRawHTML(policy.createHTML(html) as string);
		applyStyles(this.getRoot());
		return this;
	}
}

export type Command = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'bullets' | 'numbers' | 'quote' | 'unquote' | 'clear' | 'undo' | 'redo';

export interface EditorOptions {
	html: string;
	label: string;
	changed(): void;
	/** The formats at the cursor. */
	formats(active: ReadonlySet<Command | 'link'>): void;
	/** Pasted or dropped images; false when they are not wanted within the text. */
	files(files: File[]): void;
	/** The address of an image of the message itself, by its Content-ID; null when there is none. */
	image(cid: string): Promise<string | null>;
}

export interface Editor {
	html(): string;
	text(): string;
	focus(): void;
	run(command: Command): void;
	link(url: string | null): void;
	selectedText(): string;
	insertImage(url: string, cid: string, alt: string): void;
	destroy(): void;
}

const states: [Command | 'link', string][] = [
	['bold', 'B'], ['italic', 'I'], ['underline', 'U'], ['strikethrough', 'S'], ['link', 'A'], ['bullets', 'UL'], ['numbers', 'OL'], ['quote', 'BLOCKQUOTE'],
];

/** A copy in a document of its own, where images do not load and styles do not apply, as it is to be sent. */
function outgoing(root: HTMLElement): HTMLElement {
	const inert = document.implementation.createHTMLDocument('');
	const copy = inert.importNode(root, true);
	for (const image of copy.querySelectorAll('img[data-src]')) {
		image.setAttribute('src', image.getAttribute('data-src')!);
		image.removeAttribute('data-src');
	}
	for (const link of copy.querySelectorAll('a')) {
		link.removeAttribute('target');
		link.removeAttribute('rel');
	}
	for (const own of copy.querySelectorAll('.squire-image-resize-container, input')) own.remove();
	return copy;
}

/** Not a change of the message: the editor is told nothing of it. */
async function showImages(squire: Squire, root: HTMLElement, options: EditorOptions): Promise<void> {
	for (const image of root.querySelectorAll<HTMLImageElement>('img[data-src^="cid:"]')) {
		const url = await options.image(image.getAttribute('data-src')!.slice(4));
		if (url) squire.modifyDocument(() => {
			image.src = url;
		});
	}
}

export function createEditor(root: HTMLElement, options: EditorOptions): Editor {
	const squire = new Editing(root, {
		blockTag: 'DIV',
		sanitizeToDOMFragment: sanitizeToFragment,
		didError: (error: unknown) => console.error(error),
	});
	root.setAttribute('role', 'textbox');
	root.setAttribute('aria-multiline', 'true');
	root.setAttribute('aria-label', options.label);
	squire.setHTML(options.html);
	squire.moveCursorToStart();
	void showImages(squire, root, options);
	// Squire also tells of what it does itself: its marks of the selection, images that came. None of that is a change.
	const content = (): string => root.innerHTML.replace(/\u200b|<input[^>]*>| src="blob:[^"]*"/g, '');
	let before = content();
	squire.addEventListener('input', () => {
		const now = content();
		if (now === before) return;
		before = now;
		options.changed();
	});
	const report = (): void => options.formats(new Set(states.filter(([, tag]) => squire.hasFormat(tag)).map(([name]) => name)));
	squire.addEventListener('pathChange', report);
	squire.addEventListener('select', report);
	squire.addEventListener('pasteImage', (event: Event) => {
		const data = (event as CustomEvent<{ clipboardData?: DataTransfer }>).detail?.clipboardData;
		const files = [...data?.files ?? []];
		if (files.length > 0) options.files(files);
	});
	// Ctrl+Enter belongs to the window around the editor.
	squire.setKeyHandler('ctrl-Enter', () => undefined);
	squire.setKeyHandler('meta-Enter', () => undefined);

	const toggles: Record<Command, () => void> = {
		bold: () => squire.hasFormat('B') ? squire.removeBold() : squire.bold(),
		italic: () => squire.hasFormat('I') ? squire.removeItalic() : squire.italic(),
		underline: () => squire.hasFormat('U') ? squire.removeUnderline() : squire.underline(),
		strikethrough: () => squire.hasFormat('S') ? squire.removeStrikethrough() : squire.strikethrough(),
		bullets: () => squire.hasFormat('UL') ? squire.removeList() : squire.makeUnorderedList(),
		numbers: () => squire.hasFormat('OL') ? squire.removeList() : squire.makeOrderedList(),
		quote: () => squire.increaseQuoteLevel(),
		unquote: () => squire.decreaseQuoteLevel(),
		clear: () => squire.removeAllFormatting(),
		undo: () => squire.undo(),
		redo: () => squire.redo(),
	};
	return {
		html: () => outgoing(root).innerHTML.replace(/\u200b/g, ''),
		text: () => htmlToText(outgoing(root)),
		focus: () => squire.focus(),
		run(command) {
			toggles[command]();
			report();
		},
		link(url) {
			if (url) squire.makeLink(url, { target: '_blank', rel: 'noopener noreferrer' });
			else squire.removeLink();
		},
		selectedText: () => squire.getSelectedText(),
		insertImage: (url, cid, alt) => void squire.insertImage(url, { 'data-src': `cid:${cid}`, alt }),
		destroy: () => squire.destroy(),
	};
}

/** The text of a message's HTML. */
export function plainOf(html: string): string {
	return htmlToText(sanitizeToFragment(html));
}
