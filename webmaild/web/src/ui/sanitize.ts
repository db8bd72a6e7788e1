// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The one place where HTML enters this page: quoted (the server has sanitised it before) and pasted into the editor. A short list of what
// may stay; style attributes are read through the CSSOM and keep only declarations that colour and set text.
import DOMPurify, { type Config } from 'dompurify';

const tags = [
	'a', 'abbr', 'b', 'bdi', 'bdo', 'big', 'blockquote', 'br', 'caption', 'center', 'cite', 'code', 'col', 'colgroup', 'dd', 'del', 'dfn', 'div', 'dl',
	'dt', 'em', 'figcaption', 'figure', 'font', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'img', 'ins', 'kbd', 'li', 'mark', 'ol', 'p', 'pre', 'q',
	's', 'samp', 'small', 'span', 'strike', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'tfoot', 'th', 'thead', 'tr', 'tt', 'u', 'ul', 'var',
];
const attributes = [
	'abbr', 'align', 'alt', 'bgcolor', 'border', 'cellpadding', 'cellspacing', 'cite', 'color', 'cols', 'colspan', 'datetime', 'dir', 'face', 'height',
	'href', 'lang', 'nowrap', 'reversed', 'rowspan', 'size', 'span', 'src', 'start', 'style', 'title', 'type', 'valign', 'value', 'width',
	// Ours, and only from within the editor: see below.
	'data-src', 'data-style',
];
const styles = [
	'background-color', 'border-bottom-color', 'border-collapse', 'color', 'direction', 'font-family', 'font-size', 'font-style', 'font-weight', 'line-height',
	'list-style-type', 'text-align', 'text-decoration-line', 'text-indent', 'text-transform', 'vertical-align', 'white-space',
];
/** The editor's marks of a selection, in what it keeps for undo. */
const bookmarks = /^squire-selection-(?:start|end)$/;

const config: Config = {
	ALLOWED_TAGS: [...tags, 'input', '#text'],
	ALLOWED_ATTR: [...attributes, 'id', 'hidden'],
	ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|cid:|blob:|#|data:image\/(?:png|gif|jpeg|webp);base64,)/i,
	ALLOW_DATA_ATTR: false,
	ALLOW_ARIA_ATTR: false,
	FORBID_CONTENTS: ['style', 'script', 'title', 'template', 'noembed', 'noframes', 'textarea', 'select', 'svg', 'math', 'iframe'],
	KEEP_CONTENT: true,
	SANITIZE_NAMED_PROPS: true,
};

const scratch = document.implementation.createHTMLDocument('').createElement('span');

function safeStyle(text: string): string {
	if (!text) return '';
	scratch.style.cssText = text;
	const kept: string[] = [];
	for (const name of styles) {
		const value = scratch.style.getPropertyValue(name);
		if (value && value.length < 200 && !/url\(|var\(|expression|\\/i.test(value)) kept.push(`${name}: ${value}`);
	}
	return kept.join('; ');
}

/** Images of other hosts are not loaded while writing; their address stays aside for when the message is sent. */
function holdImage(image: Element): void {
	const source = image.getAttribute('src') ?? image.getAttribute('data-src') ?? '';
	if (/^(?:data|blob):/i.test(source)) return;
	image.removeAttribute('src');
	if (/^(?:https?|cid):/i.test(source)) image.setAttribute('data-src', source);
	else image.removeAttribute('data-src');
}

const purify = DOMPurify();
purify.addHook('uponSanitizeElement', (node, data) => {
	if (data.tagName === 'input' && !bookmarks.test((node as Element).id)) node.parentNode?.removeChild(node);
});
purify.addHook('afterSanitizeAttributes', (node) => {
	if (node.nodeName !== 'INPUT') node.removeAttribute('id');
	if (node.nodeName === 'IMG') holdImage(node);
	const style = safeStyle(node.getAttribute('style') ?? node.getAttribute('data-style') ?? '');
	node.removeAttribute('style');
	// As an attribute it would be inline style, which the page's policy refuses: applyStyles sets it.
	if (style) node.setAttribute('data-style', style);
	else node.removeAttribute('data-style');
	if (node.nodeName === 'A' && node.hasAttribute('href')) {
		node.setAttribute('target', '_blank');
		node.setAttribute('rel', 'noopener noreferrer');
	}
});

export function applyStyles(root: ParentNode): void {
	for (const element of root.querySelectorAll<HTMLElement>('[data-style]')) {
		element.style.cssText = element.getAttribute('data-style') ?? '';
		element.removeAttribute('data-style');
	}
}

/** Parsing a style attribute is against the page's policy even where nothing would be drawn: they are set aside before. What this finds is
 * for quiet only: a style that it misses is refused by the policy, and sanitised all the same. */
function setStylesAside(html: string): string {
	return html.replace(/<[a-z][a-z0-9]*(?:\s+[^\s"'<>=]+(?:="[^"]*")?)+\s*\/?>/gi, (tag) =>
		tag.replace(/\s+([^\s"'<>=]+)((?:="[^"]*")?)/g, (whole, name: string, value: string) => (name.toLowerCase() === 'style' ? ` data-style${value}` : whole)));
}

/** Safe, and of this document; its styles are in data-style until applyStyles. */
export function sanitizeToFragment(html: string): DocumentFragment {
	const fragment = purify.sanitize(setStylesAside(html), { ...config, RETURN_DOM_FRAGMENT: true }) as unknown as DocumentFragment;
	const own = document.importNode(fragment, true);
	applyStyles(own);
	return own;
}

export function sanitizeToString(html: string): string {
	return purify.sanitize(setStylesAside(html), config) as unknown as string;
}
