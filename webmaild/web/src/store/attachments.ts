// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The files of a message being written: each is sent to the server at once, a few at a time.
import { signal, type Signal } from '@preact/signals';
import { formatSize, t } from '../i18n.ts';
import type { BodyPart } from '../jmap/types.ts';
import { upload, UploadError, type Upload } from '../jmap/upload.ts';
import { maxUpload } from './jmap.ts';
import { accountId, csrfToken, fillTemplate, jmapSession, signInAgain } from './session.ts';

export interface Attachment {
	key: number;
	name: string;
	type: string;
	size: number;
	/** Set once the server has it. */
	blobId: Signal<string | null>;
	sent: Signal<number>;
	error: Signal<string | null>;
	/** For images within the text. */
	cid: string | null;
	file: Blob | null;
	upload: Upload | null;
}

let nextKey = 1;
const running = new Set<Attachment>();
let queue: Attachment[] = [];
const atOnce = 3;

function make(name: string, type: string, size: number, fields: Partial<Attachment>): Attachment {
	return {
		key: nextKey++, name, type, size, blobId: signal<string | null>(null), sent: signal(0), error: signal<string | null>(null),
		cid: null, file: null, upload: null, ...fields,
	};
}

/** A part the server has already, of a draft or of a forwarded message. */
export function attachmentOf(part: BodyPart): Attachment {
	const name = part.name || (part.type === 'message/rfc822' ? 'message.eml' : t('attachment.unnamed'));
	return make(name, part.type, part.size, { blobId: signal(part.blobId), cid: part.cid });
}

/** Its upload begins at once, or soon. */
export function attachFile(file: Blob, name: string, cid: string | null = null): Attachment {
	const attachment = make(name, file.type || 'application/octet-stream', file.size, { file, cid });
	if (file.size > maxUpload()) attachment.error.value = t('attachment.tooLarge', { limit: formatSize(maxUpload()) });
	else enqueue(attachment);
	return attachment;
}

export function retryUpload(attachment: Attachment): void {
	attachment.error.value = null;
	attachment.sent.value = 0;
	enqueue(attachment);
}

export function cancelUpload(attachment: Attachment): void {
	queue = queue.filter((waiting) => waiting !== attachment);
	attachment.upload?.cancel();
}

export function isPending(attachment: Attachment): boolean {
	return attachment.blobId.value === null && attachment.error.value === null;
}

function enqueue(attachment: Attachment): void {
	queue.push(attachment);
	next();
}

function next(): void {
	while (running.size < atOnce && queue.length > 0) {
		const attachment = queue.shift()!;
		running.add(attachment);
		void send(attachment).finally(() => {
			running.delete(attachment);
			next();
		});
	}
}

async function send(attachment: Attachment): Promise<void> {
	const url = fillTemplate(jmapSession.value!.uploadUrl, { accountId: accountId() });
	for (;;) {
		attachment.upload = upload(url, csrfToken(), attachment.file!, (sent) => {
			attachment.sent.value = sent;
		});
		try {
			const { blobId } = await attachment.upload.done;
			attachment.blobId.value = blobId;
			return;
		} catch (error) {
			if (!(error instanceof UploadError)) {
				attachment.error.value = t('attachment.cancelled');
				return;
			}
			if (error.status === 401) {
				await signInAgain();
				continue;
			}
			attachment.error.value = error.status === 413 ? t('attachment.tooLarge', { limit: formatSize(maxUpload()) }) :
				error.status === 0 ? t('error.connection') : error.message || t('error.http', { status: String(error.status) });
			return;
		} finally {
			attachment.upload = null;
		}
	}
}
