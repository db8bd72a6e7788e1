// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The JMAP objects this client uses (RFC 8620, RFC 8621), with the properties it asks for.
import type { Address } from '../lib/addresses.ts';

export interface Session {
	username: string;
	accounts: Record<string, { name: string; accountCapabilities: Record<string, Record<string, unknown>> }>;
	primaryAccounts: Record<string, string>;
	capabilities: Record<string, Record<string, unknown>>;
	apiUrl: string;
	downloadUrl: string;
	uploadUrl: string;
	eventSourceUrl: string;
	state: string;
}

export interface Mailbox {
	id: string;
	name: string;
	parentId: string | null;
	role: string | null;
	sortOrder: number;
	totalEmails: number;
	unreadEmails: number;
	myRights?: Partial<Record<'mayReadItems' | 'mayAddItems' | 'mayRemoveItems' | 'mayCreateChild' | 'mayRename' | 'mayDelete', boolean>>;
}

export interface EmailSummary {
	id: string;
	blobId: string;
	threadId: string;
	mailboxIds: Record<string, boolean>;
	keywords: Record<string, boolean>;
	from: Address[] | null;
	to: Address[] | null;
	subject: string | null;
	receivedAt: string;
	preview: string;
	hasAttachment: boolean;
	size: number;
}

export interface BodyPart {
	partId: string | null;
	blobId: string | null;
	size: number;
	name: string | null;
	type: string;
	charset: string | null;
	disposition: string | null;
	cid: string | null;
	/** Of texts that were fetched to be quoted. */
	'header:Content-Type'?: string | null;
}

export interface EmailFull extends EmailSummary {
	cc: Address[] | null;
	bcc: Address[] | null;
	replyTo: Address[] | null;
	sentAt: string | null;
	messageId: string[] | null;
	inReplyTo: string[] | null;
	references: string[] | null;
	attachments: BodyPart[];
	textBody: BodyPart[];
	htmlBody: BodyPart[];
	bodyValues?: Record<string, { value: string; isTruncated: boolean }>;
}

export interface Identity {
	id: string;
	name: string;
	email: string;
	replyTo: Address[] | null;
	textSignature: string;
	htmlSignature: string;
}

export interface SetError {
	type: string;
	description?: string | null;
	properties?: string[];
	invalidRecipients?: string[];
}

export interface SetResponse {
	oldState: string | null;
	newState: string;
	created?: Record<string, { id: string } & Record<string, unknown>> | null;
	updated?: Record<string, unknown> | null;
	destroyed?: string[] | null;
	notCreated?: Record<string, SetError> | null;
	notUpdated?: Record<string, SetError> | null;
	notDestroyed?: Record<string, SetError> | null;
}

export interface GetResponse<T> {
	state: string;
	list: T[];
	notFound: string[];
}

export interface QueryResponse {
	queryState: string;
	position: number;
	ids: string[];
	total?: number;
	limit?: number;
}

export interface ChangesResponse {
	oldState: string;
	newState: string;
	hasMoreChanges: boolean;
	created: string[];
	updated: string[];
	destroyed: string[];
}

export const CORE = 'urn:ietf:params:jmap:core';
export const MAIL = 'urn:ietf:params:jmap:mail';
export const SUBMISSION = 'urn:ietf:params:jmap:submission';

export const summaryProperties = ['id', 'blobId', 'threadId', 'mailboxIds', 'keywords', 'from', 'to', 'subject', 'receivedAt', 'preview', 'hasAttachment', 'size'];
export const fullProperties = [...summaryProperties, 'cc', 'bcc', 'replyTo', 'sentAt', 'messageId', 'inReplyTo', 'references', 'attachments', 'textBody', 'htmlBody'];
export const bodyProperties = ['partId', 'blobId', 'size', 'name', 'type', 'charset', 'disposition', 'cid'];
