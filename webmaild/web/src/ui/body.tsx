// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The body of a message being written: the rich editor with its bar of formats, or a plain text area.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t, type Key } from '../i18n.ts';
import { textToHtml } from '../lib/text.ts';
import { attachFile, type Attachment } from '../store/attachments.ts';
import { type Composer, touch } from '../store/composers.ts';
import { askText, reportError } from '../store/notices.ts';
import { downloadUrl, request } from '../store/session.ts';
import type { Command, Editor } from './editor.ts';
import { Icon, type IconName } from './icons.tsx';

type Format = Command | 'link';
type Attach = (files: File[]) => void;

const bar: (Format | null)[] = ['bold', 'italic', 'underline', 'strikethrough', null, 'bullets', 'numbers', 'quote', 'unquote', null, 'link', 'clear', null, 'undo', 'redo'];
const toggles = new Set<Format>(['bold', 'italic', 'underline', 'strikethrough', 'bullets', 'numbers', 'link']);
const keys: Partial<Record<Format, string>> = { bold: 'Ctrl+B', italic: 'Ctrl+I', underline: 'Ctrl+U', undo: 'Ctrl+Z', redo: 'Ctrl+Y' };

function FormatBar({ editor, active }: { editor: Editor; active: ReadonlySet<Format> }) {
	const run = async (format: Format): Promise<void> => {
		if (format !== 'link') {
			editor.run(format);
			return;
		}
		if (active.has('link')) {
			editor.link(null);
			return;
		}
		const selected = editor.selectedText().trim();
		const url = await askText({
			title: t('format.link'),
			input: { label: t('format.link.title'), value: /^https?:\/\//i.test(selected) ? selected : 'https://' },
			confirm: t('save'),
		});
		if (url && /^(?:https?:\/\/|mailto:).+/i.test(url)) editor.link(url);
		else editor.focus();
	};
	return (
		<div class="format-bar" role="toolbar" aria-label={t('format.label')}>
			{bar.map((format, i) => {
				if (format === null) return <span key={i} class="format-gap" />;
				const label = format === 'link' && active.has('link') ? t('format.link.remove') : t(`format.${format}` as Key);
				return (
					<button key={format} type="button" class="icon-button" aria-label={label} title={keys[format] ? `${label} (${keys[format]})` : label} aria-pressed={toggles.has(format) ? active.has(format) : undefined}
						onMouseDown={(event) => event.preventDefault()} onClick={() => void run(format)}><Icon name={format as IconName} /></button>
				);
			})}
		</div>
	);
}

/** An image of the message, as an address that this page may show. */
async function blobUrl(composer: Composer, cid: string): Promise<string | null> {
	const part = composer.attachments.value.find((attachment) => attachment.cid === cid);
	if (!part?.blobId.value || !part.type.startsWith('image/')) return null;
	try {
		const response = await request(downloadUrl(part.blobId.value, part.name, part.type), {}, { retry: true });
		return response.ok ? URL.createObjectURL(await response.blob()) : null;
	} catch {
		return null;
	}
}

function insertImages(composer: Composer, editor: Editor, files: File[]): void {
	for (const file of files) {
		const cid = `${crypto.randomUUID()}@fourpost`;
		const attachment: Attachment = attachFile(file, file.name || 'image.png', cid);
		composer.attachments.value = [...composer.attachments.value, attachment];
		editor.insertImage(URL.createObjectURL(file), cid, file.name);
	}
	touch(composer);
}

function RichBody({ composer, attach }: { composer: Composer; attach: Attach }) {
	const root = useRef<HTMLDivElement>(null);
	const [editor, setEditor] = useState<Editor | null>(null);
	const [active, setActive] = useState<ReadonlySet<Format>>(new Set());
	useEffect(() => {
		let made: Editor | null = null;
		let left = false;
		import('./editor.ts').then(({ createEditor }) => {
			if (left) return;
			made = createEditor(root.current!, {
				html: composer.initial.html ?? textToHtml(composer.initial.text),
				label: t('compose.body'),
				changed: () => touch(composer),
				formats: setActive,
				image: (cid) => blobUrl(composer, cid),
				files: (files) => {
					const images = files.filter(({ type }) => /^image\/(?:png|jpeg|gif|webp)$/.test(type));
					insertImages(composer, made!, images);
					const others = files.filter((file) => !images.includes(file));
					if (others.length > 0) attach(others);
				},
			});
			composer.body = made;
			setEditor(made);
			if (composer.focus === 'body') made.focus();
		}, (error: unknown) => reportError(error, 'error.open'));
		return () => {
			left = true;
			made?.destroy();
		};
	}, []);
	return (
		<>
			<div class="compose-body rich">
				{!editor && <p class="muted">{t('compose.loading')}</p>}
				<div ref={root} class="editor" dir="auto" />
			</div>
			{editor && <FormatBar editor={editor} active={active} />}
		</>
	);
}

function PlainBody({ composer }: { composer: Composer }) {
	const area = useRef<HTMLTextAreaElement>(null);
	useLayoutEffect(() => {
		const element = area.current!;
		element.value = composer.initial.text;
		element.setSelectionRange(0, 0);
		composer.body = { html: () => null, text: () => element.value, focus: () => element.focus() };
		if (composer.focus === 'body') element.focus();
	}, []);
	return (
		<div class="compose-body">
			<textarea ref={area} class="plain-editor" aria-label={t('compose.body')} dir="auto" onInput={() => touch(composer)} />
		</div>
	);
}

export function ComposeBody({ composer, attach }: { composer: Composer; attach: Attach }) {
	return composer.rich.value ? <RichBody composer={composer} attach={attach} /> : <PlainBody composer={composer} />;
}
