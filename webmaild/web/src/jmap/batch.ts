// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Gathers the method calls of one moment into one request (RFC 8620 3.3) and hands each caller its own answers.

export type Args = Record<string, unknown>;
export type Invocation = [name: string, args: Args, id: string];

/** An "error" answer to a method call (RFC 8620 3.6.2). */
export class MethodError extends Error {
	constructor(readonly type: string, readonly method: string, description: string) {
		super(description || `${method}: ${type}`);
		this.name = 'MethodError';
	}
}

/** Stands in an argument whose name begins with "#": the result of an earlier call of the same group (RFC 8620 3.7). */
export class ResultOf {
	constructor(readonly call: number, readonly path: string) {}
}

export type Send = (calls: Invocation[]) => Promise<Invocation[]>;
type Call = [name: string, args: Args];

interface Group {
	calls: Call[];
	resolve(results: Args[]): void;
	reject(error: unknown): void;
}

export class Batcher {
	private waiting: Group[] = [];

	constructor(private readonly send: Send, private readonly maxCalls = () => 16) {}

	/** One method call. Calls made in the same moment share a request. */
	async call<T>(name: string, args: Args): Promise<T> {
		return (await this.group([[name, args]]))[0] as T;
	}

	/** Calls that must share a request, in order. Rejects with the first error among their answers. */
	group(calls: Call[]): Promise<Args[]> {
		return new Promise((resolve, reject) => {
			if (this.waiting.length === 0) queueMicrotask(() => this.flush());
			this.waiting.push({ calls, resolve, reject });
		});
	}

	private flush(): void {
		const groups = this.waiting;
		this.waiting = [];
		const max = Math.max(1, this.maxCalls());
		let batch: Group[] = [];
		let size = 0;
		for (const group of groups) {
			if (size > 0 && size + group.calls.length > max) {
				void this.run(batch);
				batch = [];
				size = 0;
			}
			batch.push(group);
			size += group.calls.length;
		}
		if (batch.length > 0) void this.run(batch);
	}

	private async run(groups: Group[]): Promise<void> {
		const invocations = groups.flatMap((group, g) => group.calls.map((call, c) => invocation(group, g, call, c)));
		try {
			const answers = await this.send(invocations);
			groups.forEach((group, g) => settle(group, g, answers));
		} catch (error) {
			for (const group of groups) group.reject(error);
		}
	}
}

function idOf(group: number, call: number): string {
	return `${group}.${call}`;
}

function invocation(group: Group, g: number, [name, args]: Call, c: number): Invocation {
	const resolved: Args = {};
	for (const [key, value] of Object.entries(args)) {
		resolved[key] = value instanceof ResultOf ?
			{ resultOf: idOf(g, value.call), name: group.calls[value.call]![0], path: value.path } : value;
	}
	return [name, resolved, idOf(g, c)];
}

function settle(group: Group, g: number, answers: Invocation[]): void {
	const results: Args[] = [];
	for (let c = 0; c < group.calls.length; c++) {
		const name = group.calls[c]![0];
		// A /set may be followed by the answer of a call it implies, under the same id: the first one counts.
		const answer = answers.find((a) => a[2] === idOf(g, c));
		if (!answer || answer[0] === 'error') {
			const args = answer?.[1] ?? {};
			group.reject(new MethodError(String(args.type ?? 'serverFail'), name, String(args.description ?? '')));
			return;
		}
		results.push(answer[1]);
	}
	group.resolve(results);
}
