// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Reads text/event-stream (HTML, "Server-sent events") from a stream of bytes. EventSource itself cannot send our header.

export interface ServerEvent {
	type: string;
	data: string;
}

/** Takes pieces of text as they come; returns the events they complete. */
export class EventParser {
	private rest = '';
	private type = '';
	private data: string[] = [];

	push(text: string): ServerEvent[] {
		const events: ServerEvent[] = [];
		this.rest += text;
		// A CR at the very end may be half of a CRLF.
		for (;;) {
			const end = /\r\n|\n|\r(?!$)/.exec(this.rest);
			if (!end) return events;
			const line = this.rest.slice(0, end.index);
			this.rest = this.rest.slice(end.index + end[0].length);
			const event = this.line(line);
			if (event) events.push(event);
		}
	}

	private line(line: string): ServerEvent | null {
		if (line === '') {
			const event = { type: this.type || 'message', data: this.data.join('\n') };
			const complete = this.data.length > 0;
			this.type = '';
			this.data = [];
			return complete ? event : null;
		}
		const colon = line.indexOf(':');
		if (colon === 0) return null;
		const field = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
		if (field === 'event') this.type = value;
		else if (field === 'data') this.data.push(value);
		return null;
	}
}
