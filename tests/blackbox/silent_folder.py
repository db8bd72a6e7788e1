# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""A file system that does not answer, as one of a server that is down: FUSE, whose other end says hello and nothing more."""
import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
INIT = 26
MNT_DETACH = 2


def is_possible():
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


class SilentFolder:
    """Stands before what is at that path. What waits for it can be killed, as with NFS; and fails once it is lifted."""

    def __init__(self, path):
        self.path = path
        self.channel = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.channel},rootmode=40700,user_id=0,group_id=0,allow_other"
        if libc.mount(b"silent", path.encode(), b"fuse", 0, options.encode()) < 0:
            raise OSError(ctypes.get_errno(), "mount")
        kind, unique = struct.unpack_from("=4xIQ", os.read(self.channel, 1 << 17))
        assert kind == INIT
        # fuse_init_out: version, read-ahead, flags, background requests, greatest write; the rest is 0.
        body = struct.pack("=IIIIHHI", 7, 23, 0, 0, 16, 12, 4096) + bytes(40)
        os.write(self.channel, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)

    def lift(self):
        if self.channel >= 0:
            libc.umount2(self.path.encode(), MNT_DETACH)
            os.close(self.channel)
            self.channel = -1
