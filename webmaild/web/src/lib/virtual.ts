// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Which rows of a long list of equal rows are shown, and where it must be scrolled to. Plain arithmetic.

export interface Range {
	/** The first index shown. */
	from: number;
	/** One past the last. */
	to: number;
}

export function visibleRange(scrollTop: number, height: number, rowHeight: number, count: number, overscan = 0): Range {
	const from = Math.floor(Math.max(0, scrollTop) / rowHeight) - overscan;
	const to = Math.ceil((Math.max(0, scrollTop) + Math.max(0, height)) / rowHeight) + overscan;
	const last = Math.max(0, count);
	return { from: Math.min(Math.max(0, from), last), to: Math.min(Math.max(0, to), last) };
}

/** The pages that hold a range. */
export function pagesOf(range: Range, pageSize: number): number[] {
	const pages: number[] = [];
	if (range.to <= range.from) return pages;
	for (let page = Math.floor(range.from / pageSize); page * pageSize < range.to; page++) pages.push(page);
	return pages;
}

/** Where to scroll so that a row is wholly seen; the same place when it is. */
export function scrollToShow(index: number, scrollTop: number, height: number, rowHeight: number): number {
	const top = index * rowHeight;
	if (top < scrollTop) return top;
	if (top + rowHeight > scrollTop + height) return Math.max(0, top + rowHeight - height);
	return scrollTop;
}

/** The scroll place that keeps the same row in place after rows came or went above it. Lists at their top stay there. */
export function keepPlace(scrollTop: number, rowHeight: number, oldIndex: number, newIndex: number): number {
	return scrollTop <= 0 ? 0 : Math.max(0, scrollTop + (newIndex - oldIndex) * rowHeight);
}

/** Index of a neighbour, kept within the list; -1 for an empty list. */
export function step(index: number, by: number, count: number): number {
	if (count <= 0) return -1;
	if (index < 0) return by > 0 ? 0 : count - 1;
	return Math.min(Math.max(0, index + by), count - 1);
}
