// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Begins messages: new ones, answers, forwards, and drafts that are gone on with.
import { formatFullDate, t } from '../i18n.ts';
import type { EmailFull, Identity } from '../jmap/types.ts';
import { type Address, formatAddress, sameEmail, shortName, uniqueAddresses } from '../lib/addresses.ts';
import { escapeHtml, prefixSubject, quoteText, textToHtml } from '../lib/text.ts';
import { attachmentOf } from './attachments.ts';
import { composers, openComposer, raise, type Composer } from './composers.ts';
import { loadContacts } from './contacts.ts';
import { hasHtml, isShownAsFile, referencesFor, textOf } from './draft.ts';
import { fetchBodies, fetchHtml } from './emails.ts';
import { identities, ownEmails } from './identities.ts';
import { reportError } from './notices.ts';
import { settings } from './settings.ts';

export type ReplyKind = 'reply' | 'replyAll' | 'forward';

function signature(identity: Identity | undefined): { html: string; text: string } {
	const text = identity?.textSignature.trim() ?? '';
	const html = identity?.htmlSignature.trim() || (text ? textToHtml(text) : '');
	return { html: html ? `<div><br></div>${html}` : '', text: text ? `\n\n-- \n${text}` : '' };
}

export function compose(to: Address[] = []): Composer {
	void loadContacts();
	const sign = signature(identities.value[0]);
	return openComposer({
		rich: !settings.value.plainText,
		to,
		initial: { html: `<div><br></div>${sign.html}`, text: sign.text },
		focus: to.length > 0 ? 'body' : 'to',
	});
}

/** The identity that the message was written to. */
function identityFor(email: EmailFull): Identity | undefined {
	const reached = [...email.to ?? [], ...email.cc ?? []];
	return identities.value.find((identity) => reached.some((address) => sameEmail(address.email, identity.email))) ?? identities.value[0];
}

function recipients(email: EmailFull, kind: ReplyKind): { to: Address[]; cc: Address[] } {
	const own = ownEmails();
	const isOwn = (address: Address): boolean => own.includes(address.email.toLowerCase());
	const from = email.replyTo?.length ? email.replyTo : email.from ?? [];
	if (kind === 'forward') return { to: [], cc: [] };
	// An answer to one's own message goes on to those it was for.
	const mine = from.length > 0 && from.every(isOwn);
	const to = mine ? email.to ?? [] : from;
	if (kind === 'reply') return { to: uniqueAddresses(to), cc: [] };
	const all = uniqueAddresses(mine ? to : [...to, ...email.to ?? []].filter((address) => from.includes(address) || !isOwn(address)));
	return { to: all, cc: uniqueAddresses(email.cc ?? [], [...own, ...all.map(({ email: known }) => known)]) };
}

async function quotedText(email: EmailFull, html: string | null): Promise<string> {
	const text = textOf(email);
	if (text !== null) return text;
	if (html === null) return email.preview;
	const { plainOf } = await import('../ui/editor.ts');
	return plainOf(html);
}

function attribution(email: EmailFull): string {
	const from = email.from?.[0];
	return t('quote.attribution', { date: formatFullDate(email.sentAt ?? email.receivedAt), name: from ? shortName(from) : t('noSender') });
}

function forwardHeader(email: EmailFull): [string, string][] {
	const rows: [string, string][] = [
		[t('field.from'), (email.from ?? []).map(formatAddress).join(', ')],
		[t('field.date'), formatFullDate(email.sentAt ?? email.receivedAt)],
		[t('field.subject'), email.subject ?? ''],
		[t('field.to'), (email.to ?? []).map(formatAddress).join(', ')],
	];
	if (email.cc?.length) rows.push([t('field.cc'), email.cc.map(formatAddress).join(', ')]);
	return rows;
}

/** What stands below the place to write at. */
async function quote(email: EmailFull, kind: ReplyKind): Promise<{ html: string; text: string }> {
	const own = hasHtml(email) ? await fetchHtml(email.id) : null;
	const text = await quotedText(email, own);
	const html = own ?? textToHtml(text);
	if (kind === 'forward') {
		const header = forwardHeader(email);
		return {
			html: `<div>${escapeHtml(t('quote.forwarded'))}</div>${header.map(([name, value]) => `<div><b>${escapeHtml(name)}:</b> ${escapeHtml(value)}</div>`).join('')}<div><br></div><div>${html}</div>`,
			text: `${t('quote.forwarded')}\n${header.map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${text}`,
		};
	}
	return {
		html: `<div>${escapeHtml(attribution(email))}</div><blockquote type="cite">${html}</blockquote>`,
		text: `${attribution(email)}\n${quoteText(text)}\n`,
	};
}

export async function reply(id: string, kind: ReplyKind): Promise<void> {
	void loadContacts();
	let email: EmailFull | null;
	let quoted: { html: string; text: string };
	try {
		email = await fetchBodies(id);
		if (!email) return;
		quoted = await quote(email, kind);
	} catch (error) {
		reportError(error, 'error.open');
		return;
	}
	const identity = identityFor(email);
	const sign = signature(identity);
	const forward = kind === 'forward';
	openComposer({
		rich: !settings.value.plainText,
		identityId: identity?.id,
		...recipients(email, kind),
		subject: prefixSubject(forward ? 'Fwd' : 'Re', email.subject),
		// A forwarded message takes its files along; a reply only the images within the quoted text.
		attachments: email.attachments.filter((part) => part.blobId !== null && (forward || (!isShownAsFile(part) && !settings.value.plainText))).map(attachmentOf),
		inReplyTo: forward ? null : email.messageId,
		references: forward ? null : referencesFor(email),
		source: { id, keyword: forward ? '$forwarded' : '$answered' },
		initial: {
			html: `<div><br></div>${sign.html}<div><br></div>${quoted.html}`,
			text: `${sign.text}\n\n${quoted.text}`,
		},
		focus: forward ? 'to' : 'body',
	});
}

/** Goes on with a draft. */
export async function editDraft(id: string): Promise<void> {
	const open = composers.value.find(({ draftId }) => draftId === id);
	if (open) {
		raise(open);
		return;
	}
	void loadContacts();
	let email: EmailFull | null;
	let html: string | null = null;
	try {
		email = await fetchBodies(id);
		if (email && hasHtml(email)) html = await fetchHtml(id);
	} catch (error) {
		reportError(error, 'error.open');
		return;
	}
	if (!email) return;
	const from = email.from?.[0];
	openComposer({
		rich: html !== null,
		identityId: identities.value.find((identity) => from && sameEmail(identity.email, from.email))?.id,
		to: email.to ?? [],
		cc: email.cc ?? [],
		bcc: email.bcc ?? [],
		subject: email.subject ?? '',
		attachments: email.attachments.filter(({ blobId }) => blobId !== null).map(attachmentOf),
		draftId: id,
		inReplyTo: email.inReplyTo,
		references: email.references,
		initial: { html, text: textOf(email) ?? '' },
		focus: 'body',
	});
}
