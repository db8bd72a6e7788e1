// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Messages for the tests, and the SMTP client (RFC 5321) that hands them in.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { alice } from './harness.mjs';

const crlf = (text) => text.replace(/\r?\n/g, '\r\n');
const word = (text) => (/^[\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`);
const lines = (bytes) => Buffer.from(bytes).toString('base64').replace(/.{76}/g, '$&\r\n');

function leaf({ type, name, cid, bytes }) {
	const inline = cid ? `Content-ID: <${cid}>\r\nContent-Disposition: inline` : name ? 'Content-Disposition: attachment' : '';
	const filename = name ? `;\r\n filename*=UTF-8''${encodeURIComponent(name)}` : '';
	return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n${inline ? `${inline}${filename}\r\n` : ''}\r\n${lines(bytes)}\r\n`;
}

function multipart(kind, parts) {
	const boundary = `b-${randomUUID()}`;
	return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n${parts.map((part) => `--${boundary}\r\n${part}`).join('\r\n')}\r\n--${boundary}--\r\n`;
}

const utf8 = (type, text) => leaf({ type: `${type}; charset=utf-8`, bytes: crlf(text) });

/** A whole message. html and text: bodies; files: [{name, type, bytes, cid}]; headers: more fields. */
export function message({ from = 'Marie Dubois <marie@remote.test>', to = alice, cc, subject, text, html, files = [], headers = {} }) {
	const fields = {
		From: from.replace(/^([^<]*[^<\s])\s*</, (_, name) => `${word(name)} <`), To: to, ...cc ? { Cc: cc } : {}, Subject: word(subject), Date: new Date().toUTCString().replace('GMT', '+0000'),
		'Message-ID': `<${randomUUID()}@remote.test>`, 'MIME-Version': '1.0', ...headers,
	};
	const bodies = [...text === undefined ? [] : [utf8('text/plain', text)], ...html === undefined ? [] : [utf8('text/html', html)]];
	let body = bodies.length > 1 ? multipart('alternative', bodies) : bodies[0] ?? utf8('text/plain', '');
	const inline = files.filter(({ cid }) => cid);
	const attached = files.filter(({ cid }) => !cid);
	if (inline.length > 0) body = multipart('related', [body, ...inline.map(leaf)]);
	if (attached.length > 0) body = multipart('mixed', [body, ...attached.map(leaf)]);
	return `${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}${body}`;
}

/** Hands messages (strings, or bytes in CRLF lines) in over one connection. Resolves once the server has taken all of them. */
export async function inject(messages, to = alice, from = 'marie@remote.test') {
	const [host, port] = process.env.FOURPOST_SMTP.split(':');
	const socket = connect(Number(port), host);
	socket.setEncoding('latin1');
	let buffer = '';
	let wake = () => undefined;
	let lost = null;
	socket.on('data', (data) => {
		buffer += data;
		wake();
	});
	socket.on('error', (error) => {
		lost = error;
		wake();
	});
	socket.on('close', () => {
		lost ??= new Error('the SMTP server closed the connection');
		wake();
	});
	const reply = async (expected) => {
		for (;;) {
			const whole = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n/.exec(buffer);
			if (whole) {
				buffer = buffer.slice(whole[0].length);
				if (whole[1][0] !== expected) throw new Error(`SMTP: ${whole[0].trim()}`);
				return;
			}
			if (lost) throw lost;
			await new Promise((resolve) => {
				wake = resolve;
			});
		}
	};
	const say = async (text, expected) => {
		socket.write(text, 'latin1');
		await reply(expected);
	};
	try {
		await reply('2');
		await say('EHLO tests.remote.test\r\n', '2');
		for (const one of [messages].flat().map((text) => Buffer.from(text).toString('latin1'))) {
			await say(`MAIL FROM:<${from}>\r\n`, '2');
			await say(`RCPT TO:<${to}>\r\n`, '2');
			await say('DATA\r\n', '3');
			await say(`${one.replace(/^\./gm, '..')}${one.endsWith('\r\n') ? '' : '\r\n'}.\r\n`, '2');
		}
		await say('QUIT\r\n', '2');
	} finally {
		socket.destroy();
	}
}

/** A message to an account, as another host sends it. */
export function deliver(options, to = alice) {
	return inject(message({ to, ...options }), to);
}

/** A PNG of one colour. */
export const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC', 'base64');
