// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The list of messages: rows of one height, of which only those near the window exist. A grid for keyboards and screen readers.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t, tn } from '../i18n.ts';
import { keepPlace, scrollToShow, visibleRange } from '../lib/virtual.ts';
import { emptyMailbox, selectAll } from '../store/actions.ts';
import { failed, idAt, indexOf, need, searchProblems, shift, showView, total, version, view, type Quick } from '../store/list.ts';
import { mailboxName } from '../store/mailboxes.ts';
import { clearSelection, currentMailbox, cursorId, focusList, layout, openId, openSearch, selected, setQuick } from '../store/view.ts';
import { mailboxIcon } from './folders.tsx';
import { Icon } from './icons.tsx';
import { IconButton, Spinner } from './parts.tsx';
import { Row, rowHeight } from './row.tsx';
import { ActionBar } from './toolbar.tsx';

const overscan = 6;

function Rows() {
	const scroller = useRef<HTMLDivElement>(null);
	const wantsFocus = useRef(false);
	const [range, setRange] = useState({ from: 0, to: 20 });
	const count = total.value ?? 0;
	void version.value;

	const look = (): void => {
		const element = scroller.current!;
		const next = visibleRange(element.scrollTop, element.clientHeight, rowHeight, total.peek() ?? 0, overscan);
		setRange((old) => (old.from === next.from && old.to === next.to ? old : next));
		need({ from: next.from, to: Math.max(next.to, next.from + 1) });
	};
	useLayoutEffect(() => {
		scroller.current!.scrollTop = 0;
		look();
	}, [view.value]);
	useLayoutEffect(look, [count, version.value]);
	useEffect(() => {
		const observer = new ResizeObserver(look);
		observer.observe(scroller.current!);
		return () => observer.disconnect();
	}, []);
	useLayoutEffect(() => {
		const element = scroller.current!;
		element.scrollTop = keepPlace(element.scrollTop, rowHeight, 0, shift.value.by);
	}, [shift.value.serial]);
	// The row of the cursor is shown, and has the focus when keys moved it there.
	useLayoutEffect(() => {
		const element = scroller.current!;
		const index = cursorId.value ? indexOf(cursorId.value) : -1;
		if (index < 0) return;
		element.scrollTop = scrollToShow(index, element.scrollTop, element.clientHeight, rowHeight);
		look();
	}, [cursorId.value]);
	useLayoutEffect(() => {
		wantsFocus.current = focusList.value > 0;
	}, [focusList.value, cursorId.value]);
	// At each drawing: a row far away is drawn one later than it is scrolled to.
	useLayoutEffect(() => {
		if (!wantsFocus.current) return;
		const index = cursorId.peek() ? indexOf(cursorId.peek()!) : -1;
		const row = scroller.current!.querySelector<HTMLElement>(index >= 0 ? `[aria-rowindex="${index + 1}"]` : '[role=row]');
		if (!row && index >= 0) return;
		wantsFocus.current = false;
		(row ?? scroller.current!).focus({ preventScroll: true });
	});

	const rows = [];
	const cursor = cursorId.value ? indexOf(cursorId.value) : -1;
	for (let i = range.from; i < Math.min(range.to, count); i++) {
		const id = idAt(i);
		rows.push(<Row key={id ?? `at ${i}`} id={id} index={i} tabbable={cursor >= 0 ? i === cursor : i === range.from} />);
	}
	return (
		<div class="rows" ref={scroller} onScroll={look} role="grid" aria-label={t('list.label', { name: title() })} aria-rowcount={total.value ?? -1} aria-multiselectable="true" tabIndex={-1} id="messages">
			<div class="rows-space" role="presentation" ref={(element) => {
				if (element) element.style.height = `${count * rowHeight}px`;
			}}>{rows}</div>
		</div>
	);
}

function title(): string {
	if (view.value.search) return t('search.results');
	return currentMailbox.value ? mailboxName(currentMailbox.value) : '';
}

function Empty() {
	const { search, quick } = view.value;
	const inbox = currentMailbox.value?.role === 'inbox';
	const text = quick === 'unread' ? t('list.empty.unread') : quick === 'flagged' ? t('list.empty.flagged') :
		search ? t('list.empty.search') : inbox ? t('list.empty.inbox') : t('list.empty.folder');
	return (
		<div class="empty">
			<Icon name={search ? 'search' : currentMailbox.value ? mailboxIcon(currentMailbox.value) : 'folder'} />
			<p>{text}</p>
			{search && quick === 'all' && <p class="muted">{t('list.empty.searchHint')}</p>}
			{quick !== 'all' && <button type="button" class="button" onClick={() => setQuick('all')}>{t('list.showAll')}</button>}
		</div>
	);
}

/** Grey rows, and only when the wait is long enough to be noticed. */
function Skeleton() {
	return (
		<div class="skeleton" role="status" aria-label={t('list.loading')}>
			{Array.from({ length: 8 }, (_, i) => <div key={i} class="skeleton-row"><span class="skeleton-avatar" /><span class="skeleton-lines"><i /><i /><i /></span></div>)}
		</div>
	);
}

function Head() {
	const n = total.value;
	const chosen = selected.value.size;
	const quicks: Quick[] = ['all', 'unread', 'flagged'];
	const deletes = currentMailbox.value?.role === 'trash' || currentMailbox.value?.role === 'junk';
	if (chosen > 0) {
		return (
			<div class="list-head selecting">
				<IconButton icon="close" label={t('list.selectNone')} keys="Esc" onClick={clearSelection} />
				<span class="list-chosen" role="status">{tn('list.selected', chosen)}</span>
				{chosen !== n && <IconButton icon="all" label={t('list.selectAll')} keys="Ctrl+A" onClick={() => void selectAll()} />}
				<ActionBar compact />
			</div>
		);
	}
	return (
		<div class="list-head">
			<div class="list-title">
				<h1 dir="auto">{title()}</h1>
				<span class="muted" role="status">{n === null ? <Spinner /> : view.value.search ? tn('list.results', n) : tn('list.count', n)}</span>
			</div>
			{deletes && (n ?? 0) > 0 && view.value.quick === 'all' && <button type="button" class="button quiet" onClick={() => void emptyMailbox()}>{t('action.empty')}</button>}
			<div class="segments" role="group" aria-label={t('list.filter')}>
				{quicks.map((quick) => <button key={quick} type="button" aria-pressed={view.value.quick === quick} onClick={() => setQuick(quick)}>{t(`list.${quick}`)}</button>)}
			</div>
		</div>
	);
}

export function List() {
	return (
		<section class="list card" aria-label={title()} hidden={layout.value === 'one' && openId.value !== null}>
			<Head />
			{searchProblems.value.length > 0 && <p class="banner"><Icon name="warning" /><span>{t('search.problem', { list: searchProblems.value.join(' ') })}</span></p>}
			<div class="list-body">
				<Rows />
				{total.value === null && !failed.value && <Skeleton />}
				{total.value === null && failed.value && <div class="empty"><Icon name="warning" /><p>{t('list.failed')}</p><button type="button" class="button" onClick={() => showView(view.value)}>{t('retry')}</button></div>}
				{total.value === 0 && <Empty />}
			</div>
			{view.value.search && <button type="button" class="unseen-until-focus" onClick={() => openSearch('')}>{t('search.clear')}</button>}
		</section>
	);
}
