// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Sends a file to the upload resource (RFC 8620 6.1), telling how far it is. fetch() tells no progress of what it sends.

export interface Uploaded {
	blobId: string;
	type: string;
	size: number;
}

export class UploadError extends Error {
	/** status 0: the connection was lost. */
	constructor(readonly status: number, detail: string) {
		super(detail);
	}
}

export interface Upload {
	done: Promise<Uploaded>;
	cancel(): void;
}

export function upload(url: string, csrf: string, file: Blob, progress: (sent: number) => void): Upload {
	const xhr = new XMLHttpRequest();
	const done = new Promise<Uploaded>((resolve, reject) => {
		xhr.open('POST', url);
		xhr.setRequestHeader('X-CSRF', csrf);
		xhr.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
		xhr.upload.onprogress = (event) => progress(event.loaded);
		xhr.onerror = () => reject(new UploadError(0, ''));
		xhr.onabort = () => reject(new DOMException('', 'AbortError'));
		xhr.onload = () => {
			let body: Partial<Uploaded> & { detail?: string } = {};
			try {
				body = JSON.parse(xhr.responseText) as typeof body;
			} catch {
				// An answer that is not JSON is told by its status.
			}
			if (xhr.status >= 200 && xhr.status < 300 && typeof body.blobId === 'string') resolve(body as Uploaded);
			else reject(new UploadError(xhr.status, body.detail ?? ''));
		};
		xhr.send(file);
	});
	return { done, cancel: () => xhr.abort() };
}
