// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// All cases in order, against the instance that FOURPOST_WEB and FOURPOST_SMTP name: node suite.mjs [PART-OF-A-NAME...]
import { runAll } from './harness.mjs';
import './cases/signin.mjs';
import './cases/reading.mjs';
import './cases/hostile.mjs';
import './cases/makers.mjs';
import './cases/writing.mjs';
import './cases/answering.mjs';
import './cases/sorting.mjs';
import './cases/finding.mjs';
import './cases/trouble.mjs';
import './cases/looks.mjs';

await runAll(process.argv.slice(2));
