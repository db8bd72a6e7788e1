// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// A message being written as the Email object that JMAP stores (RFC 8621 4.6), and back.
import type { BodyPart, EmailFull, Identity } from '../jmap/types.ts';
import type { Address } from '../lib/addresses.ts';
import { flowedOf, unflow } from '../lib/flowed.ts';

export interface DraftContent {
	identity: Identity | undefined;
	to: Address[];
	cc: Address[];
	bcc: Address[];
	subject: string;
	inReplyTo: string[] | null;
	references: string[] | null;
	text: string;
	/** null: a plain text message. */
	html: string | null;
	attachments: { blobId: string; name: string; type: string; size: number; cid: string | null }[];
}

function list(addresses: Address[]): Address[] | undefined {
	return addresses.length > 0 ? addresses : undefined;
}

export function draftObject(draft: DraftContent, mailboxId: string): Record<string, unknown> {
	const { identity } = draft;
	const inline = new Set((draft.html?.match(/\bcid:[^"'\s>]+/g) ?? []).map((url) => url.slice(4)));
	const object: Record<string, unknown> = {
		mailboxIds: { [mailboxId]: true },
		keywords: { $draft: true, $seen: true },
		from: identity ? [{ name: identity.name || null, email: identity.email }] : undefined,
		replyTo: identity?.replyTo ?? undefined,
		to: list(draft.to),
		cc: list(draft.cc),
		bcc: list(draft.bcc),
		subject: draft.subject,
		inReplyTo: draft.inReplyTo ?? undefined,
		references: draft.references ?? undefined,
		textBody: [{ partId: 'text', type: 'text/plain' }],
		htmlBody: draft.html === null ? undefined : [{ partId: 'html', type: 'text/html' }],
		bodyValues: {
			text: { value: draft.text },
			...draft.html === null ? {} : { html: { value: draft.html } },
		},
		attachments: draft.attachments.length === 0 ? undefined : draft.attachments.map(({ blobId, name, type, cid }) => ({
			blobId,
			name,
			type,
			disposition: cid !== null && inline.has(cid) ? 'inline' : 'attachment',
			cid: cid ?? undefined,
		})),
	};
	for (const key of Object.keys(object)) if (object[key] === undefined) delete object[key];
	return object;
}

/** Parts to be shown as files: not those that the text shows within itself. */
export function isShownAsFile(part: BodyPart): boolean {
	return !(part.cid && (part.disposition === 'inline' || part.disposition === null) && part.type.startsWith('image/'));
}

/** Whether a message has HTML of its own. The HTML itself never comes here as it was sent: see fetchHtml. */
export function hasHtml(email: EmailFull): boolean {
	return email.htmlBody.some(({ type }) => type === 'text/html');
}

export function textOf(email: EmailFull): string | null {
	const values = email.textBody.filter((part) => part.type === 'text/plain' && part.partId !== null).map((part) => {
		const value = email.bodyValues?.[part.partId!]?.value ?? '';
		const flowed = flowedOf(part['header:Content-Type']);
		return flowed ? unflow(value, flowed) : value;
	});
	return values.length > 0 ? values.join('\n') : null;
}

/** References for a reply (RFC 5322 3.6.4). */
export function referencesFor(email: EmailFull): string[] | null {
	const before = email.references?.length ? email.references : email.inReplyTo?.length === 1 ? email.inReplyTo : [];
	const all = [...before, ...email.messageId ?? []];
	return all.length > 0 ? [...new Set(all)].slice(-50) : null;
}
