// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The JMAP connection of the signed-in account.
import { Batcher, type Args, type Invocation, ResultOf } from '../jmap/batch.ts';
import { CORE, MAIL, SUBMISSION, type SetError, type SetResponse } from '../jmap/types.ts';
import { accountId, jmapSession, requestJson } from './session.ts';

const using = [CORE, MAIL, SUBMISSION];

function sender(retry: boolean): (calls: Invocation[]) => Promise<Invocation[]> {
	return async (methodCalls) => {
		const answer = await requestJson<{ methodResponses: Invocation[] }>(jmapSession.value!.apiUrl, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ using, methodCalls }),
		}, { retry });
		return answer.methodResponses;
	};
}

function coreLimit(name: string, preset: number): number {
	const limit = jmapSession.value?.capabilities[CORE]?.[name];
	return typeof limit === 'number' && limit > 0 ? limit : preset;
}

const repeatable = new Batcher(sender(true), () => coreLimit('maxCallsInRequest', 16));
const single = new Batcher(sender(false), () => coreLimit('maxCallsInRequest', 16));

type Call = [name: string, args: Args];

function withAccount([name, args]: Call): Call {
	return [name, { accountId: accountId(), ...args }];
}

/** For reads, and for writes that may safely be done twice. */
export function call<T>(name: string, args: Args): Promise<T> {
	return repeatable.call<T>(...withAccount([name, args]));
}

export function group(calls: Call[]): Promise<Args[]> {
	return repeatable.group(calls.map(withAccount));
}

/** For what must not happen twice: it fails rather than being sent again. */
export function groupOnce(calls: Call[]): Promise<Args[]> {
	return single.group(calls.map(withAccount));
}

export function resultOf(index: number, path: string): ResultOf {
	return new ResultOf(index, path);
}

export function maxInGet(): number {
	return coreLimit('maxObjectsInGet', 500);
}

export function maxInSet(): number {
	return coreLimit('maxObjectsInSet', 500);
}

export function maxUpload(): number {
	return coreLimit('maxSizeUpload', 50 * 1024 * 1024);
}

/** A SetError as an Error. */
export class RefusedError extends Error {
	constructor(readonly error: SetError) {
		super(error.description || error.type);
		this.name = 'RefusedError';
	}
}

/** Throws when anything of a /set was refused. */
export function checkSet(response: SetResponse): void {
	for (const refused of [response.notCreated, response.notUpdated, response.notDestroyed]) {
		const first = refused && Object.values(refused)[0];
		if (first) throw new RefusedError(first);
	}
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
	const parts: T[][] = [];
	for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
	return parts;
}
