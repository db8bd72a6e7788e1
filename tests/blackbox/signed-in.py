#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""How long somebody is signed in to webmaild: to the end of the password that he signed in with, or of the account, and no event stream longer than that."""
import os
import subprocess
import time

import jmap_client
from jmap_client import Client, check, finish

jmap_client.AREA = "signed-in"
USER = "signed-in@example.test"


def mailuser(*args, password=None):
    subprocess.run([f"{os.environ['BIN']}/mailuser", "-C", f"{os.environ['STATE']}/etc/fourpost.conf", *args], input=password, text=True, check=True,
                   stdout=subprocess.DEVNULL)


def ends(stream):
    """That it does: within the time of the socket's patience."""
    stream.raw.settimeout(40)
    try:
        while stream.next():
            pass
        return True
    except OSError:
        return False


def soon(probe, seconds=40):
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def changed_password():
    web, other = Client(USER, "first"), Client(USER, "first", basic=True)
    streams = [web.events(), other.events()]
    check("event streams open", all(s.status == 200 for s in streams))
    mailuser("password", "-p", USER, password="second\n")
    again = Client(USER, "second")
    kept = again.events()
    check("a browser with the former password is signed out", soon(lambda: web.status() == 401))
    check("so are other clients", soon(lambda: other.status() == 401))
    check("and their event streams end", all(ends(s) for s in streams))
    check("whoever has the new one stays", again.status() == 200)
    again.request("POST", "/auth/logout")
    check("the event stream ends with signing out", ends(kept))


def removed_account():
    web = Client(USER, "second")
    stream = web.events()
    mailuser("remove", USER)
    check("who is signed in as an account that is removed is signed out", soon(lambda: web.status() == 401))
    check("and the event stream ends", ends(stream))


mailuser("add", "-p", USER, password="first\n")
changed_password()
removed_account()
finish()
