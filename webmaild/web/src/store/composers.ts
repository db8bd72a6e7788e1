// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The messages being written: several may be open. Each saves itself as a draft and can be sent.
import { batch, signal, type Signal } from '@preact/signals';
import { t } from '../i18n.ts';
import type { EmailFull, GetResponse, QueryResponse, SetError, SetResponse } from '../jmap/types.ts';
import { bodyProperties } from '../jmap/types.ts';
import { type Address, uniqueAddresses } from '../lib/addresses.ts';
import { speaksOfAttachment, textToHtml } from '../lib/text.ts';
import { setKeyword } from './actions.ts';
import { cancelUpload, isPending, type Attachment } from './attachments.ts';
import { learn } from './contacts.ts';
import { draftObject, type DraftContent } from './draft.ts';
import { identities } from './identities.ts';
import { call, groupOnce, RefusedError } from './jmap.ts';
import { ensureRole } from './mailboxes.ts';
import { confirmed, explain, reportError, showToast } from './notices.ts';
import { ConnectionError } from './session.ts';
import { holdEnvelope, tellSent, undoSeconds } from './unsend.ts';

export type Recipients = 'to' | 'cc' | 'bcc';

/** What the editor of the body offers; the composer does not know the editor. */
export interface Body {
	html(): string | null;
	text(): string;
	focus(): void;
}

export interface Composer {
	key: number;
	identityId: Signal<string>;
	to: Signal<Address[]>;
	cc: Signal<Address[]>;
	bcc: Signal<Address[]>;
	/** Typed but not yet an address. */
	pending: Record<Recipients, Signal<string>>;
	shownFields: Signal<{ cc: boolean; bcc: boolean }>;
	subject: Signal<string>;
	rich: Signal<boolean>;
	/** Where the editor begins; HTML, not yet sanitised, or plain text. */
	initial: { html: string | null; text: string };
	body: Body | null;
	attachments: Signal<Attachment[]>;
	window: Signal<'open' | 'small' | 'large'>;
	state: Signal<'clean' | 'dirty' | 'saving' | 'saved' | 'failed' | 'sending'>;
	savedAt: Signal<Date | null>;
	error: Signal<string | null>;
	draftId: string | null;
	inReplyTo: string[] | null;
	references: string[] | null;
	/** The message that is answered or forwarded, and the keyword it gets. */
	source: { id: string; keyword: '$answered' | '$forwarded' } | null;
	focus: Recipients | 'body';
	timer: ReturnType<typeof setTimeout> | undefined;
	saving: Promise<boolean> | null;
	/** Counts changes, to tell whether a save holds all of them. */
	changes: number;
	closed: boolean;
}

export const composers = signal<Composer[]>([]);
const saveAfter = 2000;
let nextKey = 1;

export type Start = Partial<Pick<Composer, 'initial' | 'draftId' | 'inReplyTo' | 'references' | 'source' | 'focus'>> &
	Partial<Record<Recipients, Address[]>> & { subject?: string; rich: boolean; identityId?: string; attachments?: Attachment[] };

export function openComposer(start: Start): Composer {
	const composer: Composer = {
		key: nextKey++,
		identityId: signal(start.identityId ?? identities.value[0]?.id ?? ''),
		to: signal(start.to ?? []),
		cc: signal(start.cc ?? []),
		bcc: signal(start.bcc ?? []),
		pending: { to: signal(''), cc: signal(''), bcc: signal('') },
		shownFields: signal({ cc: (start.cc ?? []).length > 0, bcc: (start.bcc ?? []).length > 0 }),
		subject: signal(start.subject ?? ''),
		rich: signal(start.rich),
		initial: start.initial ?? { html: '', text: '' },
		body: null,
		attachments: signal(start.attachments ?? []),
		window: signal('open'),
		state: signal('clean'),
		savedAt: signal(null),
		error: signal(null),
		draftId: start.draftId ?? null,
		inReplyTo: start.inReplyTo ?? null,
		references: start.references ?? null,
		source: start.source ?? null,
		focus: start.focus ?? 'to',
		timer: undefined,
		saving: null,
		changes: 0,
		closed: false,
	};
	batch(() => {
		for (const other of composers.value) if (other.window.value !== 'small') other.window.value = 'small';
		composers.value = [...composers.value, composer];
	});
	return composer;
}

export function raise(composer: Composer): void {
	batch(() => {
		for (const other of composers.value) if (other !== composer && other.window.value !== 'small') other.window.value = 'small';
		composer.window.value = 'open';
	});
}

/** Something was changed: it is saved when nothing more is for a while. */
export function touch(composer: Composer): void {
	composer.changes++;
	// A save would take the place of the draft that is being sent.
	if (composer.state.value === 'sending') return;
	composer.state.value = 'dirty';
	clearTimeout(composer.timer);
	composer.timer = setTimeout(() => void save(composer), saveAfter);
}

function contentOf(composer: Composer): DraftContent {
	const attachments = composer.attachments.value.filter((a) => a.blobId.value !== null);
	return {
		identity: identities.value.find(({ id }) => id === composer.identityId.value) ?? identities.value[0],
		to: uniqueAddresses(composer.to.value),
		cc: uniqueAddresses(composer.cc.value),
		bcc: uniqueAddresses(composer.bcc.value),
		subject: composer.subject.value.trim(),
		inReplyTo: composer.inReplyTo,
		references: composer.references,
		text: composer.body?.text() ?? composer.initial.text,
		// The editor may be still to come.
		html: composer.rich.value ? composer.body?.html() ?? composer.initial.html ?? textToHtml(composer.initial.text) : null,
		attachments: attachments.map(({ blobId, name, type, size, cid }) => ({ blobId: blobId.value!, name, type, size, cid })),
	};
}

/** The blobs of the former draft go with it: take those of the new one. */
function takeBlobs(composer: Composer, saved: EmailFull | undefined): void {
	const parts = [...saved?.attachments ?? []];
	for (const attachment of composer.attachments.value) {
		if (attachment.blobId.value === null) continue;
		const index = parts.findIndex((part) => (attachment.cid !== null && part.cid === attachment.cid) ||
			(part.name === attachment.name && part.size === attachment.size && part.type === attachment.type));
		if (index < 0) continue;
		attachment.blobId.value = parts[index]!.blobId;
		parts.splice(index, 1);
	}
}

async function store(composer: Composer): Promise<void> {
	const mailboxId = await ensureRole('drafts');
	const [set, get] = await groupOnce([
		['Email/set', { create: { draft: draftObject(contentOf(composer), mailboxId) } }],
		['Email/get', { ids: ['#draft'], properties: ['id', 'attachments'], bodyProperties }],
	]) as unknown as [SetResponse, GetResponse<EmailFull>];
	const refused = set.notCreated?.draft;
	if (refused) throw new RefusedError(refused);
	const former = composer.draftId;
	composer.draftId = set.created!.draft!.id;
	takeBlobs(composer, get.list[0]);
	// Only now: had the new one been refused, the former were all there is, and the files are its blobs.
	if (former) void destroyDraft(former);
}

async function destroyDraft(id: string): Promise<void> {
	try {
		await call('Email/set', { destroy: [id] });
	} catch {
		// It stays beside the newer one.
	}
}

/** Whether all is saved now. One save runs at a time. */
export async function save(composer: Composer): Promise<boolean> {
	clearTimeout(composer.timer);
	while (composer.saving) await composer.saving;
	if (composer.closed) return true;
	const changes = composer.changes;
	composer.saving = (async () => {
		if (composer.state.value !== 'sending') composer.state.value = 'saving';
		try {
			await store(composer);
			composer.savedAt.value = new Date();
			composer.error.value = null;
			if (composer.state.value === 'saving') composer.state.value = composer.changes === changes ? 'saved' : 'dirty';
			return true;
		} catch (error) {
			composer.error.value = explain(error);
			if (composer.state.value === 'saving') composer.state.value = 'failed';
			if (!composer.closed) composer.timer = setTimeout(() => void save(composer), 15_000);
			return false;
		} finally {
			composer.saving = null;
		}
	})();
	return composer.saving;
}

function drop(composer: Composer): void {
	composer.closed = true;
	clearTimeout(composer.timer);
	for (const attachment of composer.attachments.value) if (isPending(attachment)) cancelUpload(attachment);
	composers.value = composers.value.filter((other) => other !== composer);
	const last = composers.value[composers.value.length - 1];
	if (last && composers.value.every(({ window }) => window.value === 'small')) last.window.value = 'open';
}

/** Keeps what was written as a draft. */
export async function close(composer: Composer): Promise<void> {
	if (composer.state.value === 'sending') return;
	if (['dirty', 'failed', 'saving'].includes(composer.state.value)) {
		if (!await save(composer)) {
			showToast(t('error.save', { reason: composer.error.value ?? '' }), { kind: 'error' });
			return;
		}
		showToast(t('toast.draftSaved'));
	}
	drop(composer);
}

export async function discard(composer: Composer): Promise<void> {
	if (composer.state.value === 'sending') return;
	const written = composer.state.value !== 'clean' || composer.draftId !== null;
	if (written && !await confirmed({ title: t('discard.title'), text: t('discard.text'), confirm: t('discard.confirm'), danger: true })) return;
	clearTimeout(composer.timer);
	while (composer.saving) await composer.saving;
	drop(composer);
	if (!composer.draftId) return;
	try {
		await groupOnce([['Email/set', { destroy: [composer.draftId] }]]);
	} catch (error) {
		reportError(error, 'error.destroy');
	}
}

/** Asks about what was perhaps forgotten. */
async function isMeant(composer: Composer): Promise<boolean> {
	if (!composer.subject.value.trim() &&
		!await confirmed({ title: t('send.noSubject.title'), text: t('send.noSubject.text'), confirm: t('send.anyway') })) return false;
	return composer.attachments.value.length > 0 || !speaksOfAttachment(`${composer.subject.value}\n${composer.body?.text() ?? ''}`) ||
		await confirmed({ title: t('send.noAttachment.title'), text: t('send.noAttachment.text'), confirm: t('send.anyway') });
}

function obstacle(composer: Composer): string | null {
	const pending = (['to', 'cc', 'bcc'] as const).map((field) => composer.pending[field].value.trim()).find((text) => text !== '');
	if (pending) return t('send.badAddress', { address: pending });
	if (composer.to.value.length + composer.cc.value.length + composer.bcc.value.length === 0) return t('error.noRecipients');
	if (composer.attachments.value.some(isPending)) return t('send.uploading');
	if (composer.attachments.value.some(({ error }) => error.value !== null)) return t('send.failedUpload');
	return null;
}

export async function send(composer: Composer): Promise<void> {
	if (composer.state.value === 'sending') return;
	composer.error.value = obstacle(composer);
	if (composer.error.value || !await isMeant(composer)) return;
	composer.state.value = 'sending';
	const seconds = undoSeconds();
	let submissionId: string | undefined;
	try {
		if (!await save(composer)) throw new Error(composer.error.value ?? '');
		submissionId = await submit(composer, seconds).catch((error: unknown) => submissionOf(composer.draftId!, error));
	} catch (error) {
		composer.state.value = 'failed';
		composer.error.value = t('error.send', { reason: explain(error) });
		raise(composer);
		return;
	}
	for (const field of [composer.to, composer.cc, composer.bcc]) learn(field.value, 4);
	if (composer.source) void setKeyword([composer.source.id], composer.source.keyword, true);
	const sent = await ensureRole('sent');
	drop(composer);
	tellSent(seconds, submissionId, composer.draftId!, sent);
}

async function submit(composer: Composer, seconds: number): Promise<string | undefined> {
	const [drafts, sent] = [await ensureRole('drafts'), await ensureRole('sent')];
	const content = contentOf(composer);
	const recipients = uniqueAddresses([...content.to, ...content.cc, ...content.bcc]);
	const [response] = await groupOnce([['EmailSubmission/set', {
		create: { send: { emailId: composer.draftId, identityId: composer.identityId.value, ...holdEnvelope(seconds, content.identity?.email ?? '', recipients) } },
		onSuccessUpdateEmail: {
			'#send': { [`mailboxIds/${drafts}`]: null, [`mailboxIds/${sent}`]: true, 'keywords/$draft': null },
		},
	}]]) as unknown as [SetResponse];
	const refused: SetError | undefined = response.notCreated?.send;
	if (refused) throw new RefusedError(refused);
	return response.created?.send?.id;
}

/** Whether a message was sent although the answer was lost: sent again, it would come twice. */
async function submissionOf(emailId: string, error: unknown): Promise<string> {
	if (!(error instanceof ConnectionError)) throw error;
	const { ids } = await call<QueryResponse>('EmailSubmission/query', { filter: { emailIds: [emailId] } });
	if (ids.length === 0) throw error;
	return ids[0]!;
}

window.addEventListener('beforeunload', (event) => {
	if (composers.value.some(({ state }) => ['dirty', 'saving', 'failed', 'sending'].includes(state.value))) event.preventDefault();
});
