// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Sending can be taken back for some seconds: the server holds the message that long (RFC 8621 7, FUTURERELEASE), and a little longer.
import { t } from '../i18n.ts';
import { SUBMISSION, type SetResponse } from '../jmap/types.ts';
import type { Address } from '../lib/addresses.ts';
import { checkSet, groupOnce } from './jmap.ts';
import { ensureRole } from './mailboxes.ts';
import { explain, showToast } from './notices.ts';
import { editDraft } from './replies.ts';
import { accountId, jmapSession } from './session.ts';
import { settings } from './settings.ts';
import { openMailbox } from './view.ts';

/** The server waits longer than the button is shown, for slow connections. */
const reserve = 4;

export function undoSeconds(): number {
	const longest = jmapSession.value?.accounts[accountId()]?.accountCapabilities[SUBMISSION]?.maxDelayedSend;
	const wanted = settings.value.undoSeconds;
	return typeof longest === 'number' && longest >= wanted + reserve ? wanted : 0;
}

/** What a submission says about its delay: nothing, or an envelope with HOLDFOR. */
export function holdEnvelope(seconds: number, from: string, recipients: Address[]): Record<string, unknown> {
	if (seconds === 0) return {};
	return {
		envelope: {
			mailFrom: { email: from, parameters: { HOLDFOR: String(seconds + reserve) } },
			rcptTo: recipients.map(({ email }) => ({ email, parameters: null })),
		},
	};
}

async function unsend(submissionId: string, emailId: string): Promise<void> {
	try {
		const [response] = await groupOnce([['EmailSubmission/set', { update: { [submissionId]: { undoStatus: 'canceled' } } }]]) as unknown as [SetResponse];
		if (response.notUpdated?.[submissionId]) {
			showToast(t('unsend.late'), { kind: 'error' });
			return;
		}
		const drafts = await ensureRole('drafts');
		const [back] = await groupOnce([['Email/set', { update: { [emailId]: { mailboxIds: { [drafts]: true }, 'keywords/$draft': true } } }]]) as unknown as [SetResponse];
		checkSet(back);
		await editDraft(emailId);
	} catch (error) {
		showToast(t('unsend.failed', { reason: explain(error) }), { kind: 'error' });
	}
}

export function tellSent(seconds: number, submissionId: string | undefined, emailId: string, sentId: string): void {
	const view = { label: t('toast.sent.view'), run: () => openMailbox(sentId) };
	const undo = { label: t('undo'), run: () => void unsend(submissionId!, emailId) };
	if (seconds > 0 && submissionId) showToast(t('toast.sent'), { actions: [undo, view], seconds });
	else showToast(t('toast.sent'), { actions: [view] });
}
