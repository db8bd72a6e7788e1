// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Sending can be taken back for some seconds: the server holds the message that long (RFC 8621 7, FUTURERELEASE), and a little longer.
import { t } from '../i18n.ts';
import { SUBMISSION, type GetResponse, type SetResponse } from '../jmap/types.ts';
import type { Address } from '../lib/addresses.ts';
import { call } from './jmap.ts';
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

/** Perhaps by a first try, whose answer was lost. */
async function isCanceled(submissionId: string): Promise<boolean> {
	const { list } = await call<GetResponse<{ undoStatus: string }>>('EmailSubmission/get', { ids: [submissionId], properties: ['undoStatus'] });
	return list[0]?.undoStatus === 'canceled';
}

async function unsend(submissionId: string, emailId: string): Promise<void> {
	try {
		// At once with the way back to the drafts: what is not sent may not be taken for sent.
		const back = { mailboxIds: { [await ensureRole('drafts')]: true }, 'keywords/$draft': true };
		const response = await call<SetResponse>('EmailSubmission/set', {
			update: { [submissionId]: { undoStatus: 'canceled' } },
			onSuccessUpdateEmail: { [submissionId]: back },
		});
		if (response.notUpdated?.[submissionId] && !await isCanceled(submissionId)) {
			showToast(t('unsend.late'), { kind: 'error' });
			return;
		}
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
