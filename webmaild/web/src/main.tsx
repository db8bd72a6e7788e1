// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Begins.
import { render } from 'preact';
import { start } from './store/session.ts';
import { applySettings } from './store/settings.ts';
import { App } from './ui/app.tsx';
import { listenForShortcuts } from './ui/shortcuts.ts';

void start();
await applySettings();
listenForShortcuts();
render(<App />, document.getElementById('app')!);
