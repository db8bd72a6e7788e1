// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Who the user writes as.
import { signal } from '@preact/signals';
import type { Identity, SetResponse } from '../jmap/types.ts';
import { call, checkSet } from './jmap.ts';

export const identities = signal<Identity[]>([]);

export function ownEmails(): string[] {
	return identities.value.map(({ email }) => email.toLowerCase());
}

export async function changeIdentity(id: string, change: Partial<Pick<Identity, 'name' | 'textSignature' | 'htmlSignature'>>): Promise<void> {
	checkSet(await call<SetResponse>('Identity/set', { update: { [id]: change } }));
	identities.value = identities.value.map((identity) => (identity.id === id ? { ...identity, ...change } : identity));
}
