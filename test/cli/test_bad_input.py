#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Requests that cannot be met: exit status 2, one line on stderr that names the value and, where
there is one, the accepted form, nothing on stdout, and no file created or changed."""
import os

from harness import MIB, add_case, main

SIZE = 4 * MIB  # of both images: 8192 LBAs of 512 bytes
SRC = "nvme_emu0,path=src.img"
DST = "nvme_emu1,path=dst.img,cmb=1M"
BOTH = (SRC, DST)
SHARED = ("nvme_emu0,path=src.img,subsys=s", "nvme_emu1,path=src.img,cmb=1M,subsys=s")
SHARED_BY_LINK = (SHARED[0], "nvme_emu1,path=hard.img,cmb=1M,subsys=s")
PAIR = ("nvme_emu0", "nvme_emu1")
FILE_FORM = "file:PATH[:OFFSET[+BYTES]]"
SIZES = "bytes with an optional K, M, G or T"

# What is wrong, EAL arguments, nvme_copy's arguments, and what the line must contain.
NVME_COPY = [
    # Unknown and malformed options
    ("unknown EAL option", (*BOTH, "--frobnicate"), PAIR, ["--frobnicate", "--help"]),
    ("unknown short EAL option", (*BOTH, "-Z"), PAIR, ["-Z"]),
    ("EAL option without its value", (*BOTH, "-m"), PAIR, ["-m"]),
    ("malformed memory size", (*BOTH, "-m", "12x"), PAIR, ["12x", "number of MiB"]),
    ("more memory than there is", (*BOTH, "-m", "16777216"), PAIR,
     ["-m: 16777216 MiB", "MiB are available"]),
    ("malformed CPU list", (*BOTH, "-l", "0-"), PAIR, ["0-", "0,2-3"]),
    ("CPU out of reach", (*BOTH, "-l", "1023"), PAIR, ["1023"]),
    ("unknown IOMMU backend", (*BOTH, "--iommu=bogus"), PAIR, ["bogus", "soft"]),
    ("unknown option", BOTH, (*PAIR, "--frob"), ["--frob", "--help"]),
    ("unknown short option", BOTH, (*PAIR, "-Z"), ["-Z", "--help"]),
    ("option without its value", BOTH, (*PAIR, "--via"), ["--via"]),
    ("value for an option that takes none", BOTH, (*PAIR, "--no-verify=1"), ["--no-verify=1"]),
    ("malformed size", BOTH, (*PAIR, "-o", "12q"), ["12q", "-o"]),
    ("size 0", BOTH, (*PAIR, "-o", "0"), ["-o", " 0", "accepted"]),
    ("size past 64 bits", BOTH, (*PAIR, "-o", "99999999999999999999G"), ["99999999999999999999G"]),
    ("malformed depth", BOTH, (*PAIR, "-q", "many"), ["many", "-q"]),
    ("depth 0", BOTH, (*PAIR, "-q", "0"), ["-q", " 0", "accepted"]),
    ("negative depth", BOTH, (*PAIR, "-q", "-3"), ["-3", "accepted"]),
    ("malformed way", BOTH, (*PAIR, "--via", "no!such"), ["no!such", "auto"]),
    ("report that cannot be written", BOTH, (*PAIR, "--json", "no/such/dir.json"),
     ["no/such/dir.json"]),
    ("no targets", BOTH, (), ["SRC", "DST"]),
    ("one target", BOTH, ("nvme_emu0",), ["1 ", "SRC", "DST"]),
    ("three targets", BOTH, (*PAIR, "nvme_emu0"), ["3 ", "SRC", "DST"]),

    # Malformed BDF
    ("malformed BDF to allow", (*BOTH, "-a", "0000:00:1f.9"), PAIR, ["0000:00:1f.9", "BB:DD.F"]),
    ("BDF without function", (*BOTH, "-a", "00:1f"), PAIR, ["00:1f", "BB:DD.F"]),
    ("BDF that is no number", (*BOTH, "-a", "zz:00.0"), PAIR, ["zz:00.0", "BB:DD.F"]),
    ("PCI device that cannot be used", (*BOTH, "-a", "0000:ff:1f.7"), PAIR, ["0000:ff:1f.7"]),
    ("malformed BDF as source", BOTH, ("0000:01:00.9", "nvme_emu1"), ["0000:01:00.9", "BDF"]),
    ("malformed BDF as way", BOTH, (*PAIR, "--via", "01:20.0"), ["01:20.0"]),

    # Malformed --vdev
    ("two subsystems on one file", (SHARED[0], "nvme_emu1,path=src.img,subsys=t"), PAIR,
     ["src.img", "subsys="]),
    ("subsystem without a file", (*BOTH, "nvme_emu2,size=1M,subsys=s"), PAIR, ["subsys=s", "path="]),
    ("device of no kind", (*BOTH, "--vdev", "nope0,size=1M"), PAIR,
     ["nope0"]),
    ("device without a number", (*BOTH, "nvme_emu,size=1M"), PAIR, ["nvme_emu"]),
    ("device with a bad number", (*BOTH, "nvme_emux,size=1M"), PAIR, ["nvme_emux"]),
    ("device named twice", (*BOTH, "nvme_emu1,size=1M"), PAIR, ["nvme_emu1", "twice"]),
    ("device without a name", (*BOTH, "--vdev", ",size=1M"), PAIR, [",size=1M", "NAME"]),
    ("device without a size", (*BOTH, "nvme_emu2"), PAIR, ["nvme_emu2", "size=", "path="]),
    ("unknown key", (*BOTH, "nvme_emu2,size=1M,colour=red"), PAIR, ["colour", "accepted"]),
    ("key twice", (*BOTH, "nvme_emu2,size=1M,size=2M"), PAIR, ["size", "twice"]),
    ("key without a value", (*BOTH, "nvme_emu2,size=1M,cmb"), PAIR, ["cmb", "accepted"]),
    ("malformed list of keys", (*BOTH, "nvme_emu2,size=1M,=3"), PAIR, ["nvme_emu2", "accepted"]),
    ("value: size", (*BOTH, "nvme_emu2,size=1X"), PAIR, ["size=1X", SIZES]),
    ("value: unit without a number", (*BOTH, "nvme_emu2,size=K"), PAIR, ["size=K", SIZES]),
    ("value: no size", (*BOTH, "nvme_emu2,size=0"), PAIR, ["size=0", SIZES]),
    ("value: size past 64 bits", (*BOTH, "nvme_emu2,size=99999999T"), PAIR, ["99999999T", SIZES]),
    ("value: size no multiple of bs", (*BOTH, "nvme_emu2,size=1000"), PAIR, ["size=1000"]),
    ("value: bs", (*BOTH, "nvme_emu2,size=1M,bs=1000"), PAIR, ["bs=1000", "512"]),
    ("value: cmb", (*BOTH, "nvme_emu2,size=1M,cmb=5000"), PAIR, ["cmb=5000", "4096"]),
    ("value: cmbflags", (*BOTH, "nvme_emu2,size=1M,cmb=1M,cmbflags=rds:x"), PAIR,
     ["rds:x", "wds"]),
    ("value: pmr", (*BOTH, "nvme_emu2,size=1M,pmr=-1"), PAIR, ["pmr=-1", SIZES]),
    ("value: mdts", (*BOTH, "nvme_emu2,size=1M,mdts=4096"), PAIR, ["mdts=4096", "8K"]),
    ("value: queues", (*BOTH, "nvme_emu2,size=1M,queues=65"), PAIR, ["queues=65", "64"]),
    ("value: ns", (*BOTH, "nvme_emu2,size=1M,ns=33"), PAIR, ["ns=33", "32"]),
    ("value: drop", (*BOTH, "nvme_emu2,size=1M,drop=x"), PAIR, ["drop=x", "number"]),
    ("value: fault", (*BOTH, "nvme_emu2,size=1M,fault=point:command/action:fail"), PAIR,
     ["action:fail", "accepted: status, medium"]),

    # Files
    ("file that does not exist", (SRC, "nvme_emu1,path=none.img"), PAIR, ["none.img"]),
    ("file in no directory", (SRC, "nvme_emu1,path=no/dir/x.img"), PAIR, ["no/dir/x.img"]),
    ("directory as file", (SRC, "nvme_emu1,path=."), PAIR, ["path=."]),
    ("file that is too small", (SRC, "nvme_emu1,path=dst.img,size=8M"), PAIR,
     ["dst.img", str(8 * MIB), str(4 * MIB)]),
    ("file of no whole LBAs", (SRC, "nvme_emu1,path=odd.img"), PAIR, ["odd.img", "512"]),
    ("empty file", (SRC, "nvme_emu1,path=empty.img"), PAIR, ["empty.img"]),
    ("two devices on one file", (SRC, "nvme_emu1,path=src.img,cmb=1M"), PAIR, ["src.img"]),
    ("two devices on one file by hard link", (SRC, "nvme_emu1,path=hard.img"), PAIR, ["hard.img"]),
    ("two devices on one file by symlink", (SRC, "nvme_emu1,path=soft.img"), PAIR, ["soft.img"]),

    # Malformed ranges
    ("NSID 0", BOTH, ("nvme_emu0:0", "nvme_emu1"), ["nvme_emu0:0", "NSID"]),
    ("NSID that is no number", BOTH, ("nvme_emu0:x", "nvme_emu1"), ["nvme_emu0:x", "NSID"]),
    ("NSID that is not there", BOTH, ("nvme_emu0:7", "nvme_emu1"), ["nvme_emu0:7"]),
    ("empty NSID", BOTH, ("nvme_emu0:", "nvme_emu1"), ["nvme_emu0:", "NSID"]),
    ("empty SLBA", BOTH, ("nvme_emu0:1:", "nvme_emu1"), ["nvme_emu0:1:", "SLBA"]),
    ("negative SLBA", BOTH, ("nvme_emu0:1:-5", "nvme_emu1"), ["nvme_emu0:1:-5", "SLBA"]),
    ("empty NLB", BOTH, ("nvme_emu0", "nvme_emu1:1:5+"), ["nvme_emu1:1:5+", "NLB"]),
    ("NLB 0", BOTH, ("nvme_emu0", "nvme_emu1:1:5+0"), ["nvme_emu1:1:5+0", "NLB"]),
    ("SLBA past 64 bits", BOTH, ("nvme_emu0:1:99999999999999999999", "nvme_emu1"),
     ["99999999999999999999"]),
    ("garbage after the range", BOTH, ("nvme_emu0:1:0+8x", "nvme_emu1"), ["nvme_emu0:1:0+8x"]),
    ("no such device", BOTH, ("nvme_emu5", "nvme_emu1"), ["nvme_emu5", "nvme_emu0"]),
    ("lengths that differ", BOTH, ("nvme_emu0:1:0+8", "nvme_emu1:1:0+16"),
     ["nvme_emu0:1:0+8", "nvme_emu1:1:0+16"]),

    # Past the end
    ("source SLBA past the end", BOTH, ("nvme_emu0:1:8192", "nvme_emu1"), ["8192", "end"]),
    ("source range past the end", BOTH, ("nvme_emu0:1:8000+193", "nvme_emu1"),
     ["8000+193", "8192"]),
    ("source range past 64 bits", BOTH, ("nvme_emu0:1:1+18446744073709551615", "nvme_emu1"),
     ["18446744073709551615", "8192"]),
    ("destination range past the end", BOTH, ("nvme_emu0:1:0+8", "nvme_emu1:1:8190+8"),
     ["8190+8", "8192"]),
    ("destination too short for the source", BOTH, ("nvme_emu0:1:0+8", "nvme_emu1:1:8190"),
     ["8190+8", "8192"]),
    ("destination shorter than the source", (SRC, "nvme_emu1,size=1M,cmb=1M"), PAIR,
     ["0+8192", "2048"]),

    # Overlap on one namespace
    ("source and destination the same", BOTH, ("nvme_emu1", "nvme_emu1"), ["0+8192", "overlap"]),
    ("overlap by one LBA", BOTH, ("nvme_emu1:1:0+101", "nvme_emu1:1:100"), ["0+101", "100+101"]),
    ("overlap, destination first", BOTH, ("nvme_emu1:1:100+101", "nvme_emu1:1:0"),
     ["100+101", "0+101"]),

    # Block size and LBA sizes
    ("block size no multiple of 512", BOTH, (*PAIR, "-o", "1000"), ["1000", "512"]),
    ("block size no multiple of the destination's LBA",
     (SRC, "nvme_emu1,path=dst.img,cmb=1M,bs=4096"), (*PAIR, "-o", "6144"), ["6144", "4096"]),
    ("block size no multiple of the source's LBA",
     ("nvme_emu0,path=src.img,bs=4096", DST), (*PAIR, "-o", "512"), ["512", "4096"]),
    ("length no multiple of the destination's LBA",
     (SRC, "nvme_emu1,path=dst.img,cmb=1M,bs=4096"), ("nvme_emu0:1:0+9", "nvme_emu1"),
     ["4608", "4096"]),

    # Files as ends
    ("file without a path", BOTH, ("file:", "nvme_emu1"), ["file:", FILE_FORM]),
    ("file without a path, but a range", BOTH, ("file::5", "nvme_emu1"), ["file::5", FILE_FORM]),
    ("file that is not there", BOTH, ("file:none.img", "nvme_emu1"), ["none.img", FILE_FORM]),
    ("target file in no directory", BOTH, ("nvme_emu0", "file:no/dir/x.img"),
     ["no/dir/x.img", FILE_FORM]),
    ("directory as source", BOTH, ("file:.", "nvme_emu1"), ["file:.", "directory", FILE_FORM]),
    ("directory as target", BOTH, ("nvme_emu0", "file:/"), ["file:/", "directory", FILE_FORM]),
    ("character device", BOTH, ("file:/dev/null", "nvme_emu1"), ["/dev/null", FILE_FORM]),
    ("no O_DIRECT", BOTH, ("file:/proc/version", "nvme_emu1"), ["/proc/version", "O_DIRECT"]),
    ("range of a file that is none", BOTH, ("file:src.img:5x", "nvme_emu1"), ["src.img:5x"]),
    ("empty BYTES", BOTH, ("file:src.img:0+", "nvme_emu1"), ["src.img:0+", "BYTES", FILE_FORM]),
    ("BYTES 0", BOTH, ("file:src.img:0+0", "nvme_emu1"), ["src.img:0+0", "BYTES", FILE_FORM]),
    ("malformed BYTES", BOTH, ("file:src.img:0+4q", "nvme_emu1"), ["0+4q", "BYTES", FILE_FORM]),
    ("OFFSET past 64 bits", BOTH, ("file:src.img:99999999999999999999", "nvme_emu1"),
     ["99999999999999999999", "OFFSET", FILE_FORM]),
    ("OFFSET past the end", BOTH, ("file:src.img:4M", "nvme_emu1"), ["src.img:4M", FILE_FORM]),
    ("BYTES past the end", BOTH, ("file:src.img:1M+4M", "nvme_emu1"), ["1M+4M", FILE_FORM]),
    ("BYTES past 64 bits together", BOTH, ("file:src.img:4K+18446744073709551615", "nvme_emu1"),
     ["18446744073709551615", FILE_FORM]),
    ("OFFSET not aligned", BOTH, ("file:src.img:100", "nvme_emu1"), ["src.img:100", "O_DIRECT"]),
    ("BYTES not aligned", BOTH, ("file:src.img:0+1000", "nvme_emu1"), ["0+1000", "O_DIRECT"]),
    ("OFFSET of a target not aligned", BOTH, ("nvme_emu0", "file:new.img:100"),
     ["new.img:100", "O_DIRECT"]),
    ("empty source file", BOTH, ("file:empty.img", "nvme_emu1"), ["empty.img", "0 bytes"]),
    ("source file of no whole LBAs", BOTH, ("file:odd.img", "nvme_emu1"), [str(SIZE + 100), "512"]),
    ("source file too long", (SRC, "nvme_emu1,size=1M,cmb=1M"), ("file:src.img", "nvme_emu1"),
     ["0+8192", "2048"]),
    ("lengths of file and device differ", BOTH, ("file:src.img:0+1M", "nvme_emu1:1:0+8"),
     ["src.img:0+1M", "nvme_emu1:1:0+8", "1048576", "4096"]),
    ("device too long for BYTES", BOTH, ("nvme_emu0", "file:new.img:0+8M"), ["new.img:0+8M"]),
    ("target file of another length", BOTH, ("nvme_emu0:1:0+8", "file:new.img:0+8K"),
     ["new.img:0+8K"]),
    ("block size not aligned for the file", BOTH, ("file:src.img", "nvme_emu1", "-o", "1000"),
     ["1000"]),
    ("depth past io_uring's", BOTH, ("file:src.img", "nvme_emu1", "--via", "host", "-q", "5000"),
     ["5000"]),
    ("a file's memory", BOTH, ("file:src.img", "nvme_emu1", "--via", "src"), ["src.img", "--via"]),
    ("a new file's memory", BOTH, ("nvme_emu0", "file:new.img", "--via", "dst"),
     ["new.img", "--via"]),
    ("new file, no such device", BOTH, ("nvme_emu0", "file:new.img", "--via", "nvme_emu9"),
     ["nvme_emu9"]),
    ("new file, malformed source", BOTH, ("nvme_emu0:7", "file:new.img"), ["nvme_emu0:7"]),
    ("file to itself", BOTH, ("file:src.img", "file:src.img"), ["overlap", "src.img"]),
    ("file to itself by hard link", BOTH, ("file:src.img:0+1M", "file:hard.img:512K"), ["overlap"]),
    ("file to itself by symlink", BOTH, ("file:src.img:0+1M", "file:soft.img"), ["overlap"]),
    ("device to its file", BOTH, ("nvme_emu1", "file:dst.img"),
     ["overlap", "nvme_emu1 namespace 1", "file:dst.img", "inode"]),
    ("device to its file by hard link", BOTH, ("nvme_emu0:1:0+2048", "file:hard.img:512K"),
     ["0+2048", "524288+1048576", "overlap", "inode"]),
    ("device from its file by symlink", BOTH, ("file:soft.img:0+1M", "nvme_emu0:1:2047"),
     ["overlap", "inode"]),
    ("two controllers of one namespace", SHARED, (*PAIR, "--via", "dst"),
     ["overlap", "nvme_emu0 namespace 1", "nvme_emu1 namespace 1", "NGUID"]),
    ("two controllers of one namespace, by another name of its file", SHARED_BY_LINK,
     ("nvme_emu0:1:0+101", "nvme_emu1:1:100"), ["0+101", "100+101", "overlap", "NGUID"]),
    ("device misspelt as file", BOTH, ("files:src.img", "nvme_emu1"), ["files:src.img", FILE_FORM]),

    # CMB
    ("zoned target", ("nvme_emu0,path=src.img", "nvme_emu1,path=dst.img,zoned=64K"), PAIR,
     ["nvme_emu1 namespace 1 is zoned"]),
    ("CMB too small for the depth", BOTH, (*PAIR, "-q", "9"), ["1020 KiB", "depth 9", "-q 7"]),
    ("CMB too small for one chunk", BOTH, (*PAIR, "-o", "2M"), ["1020 KiB", "2097152"]),
    ("no CMB where one is asked for", BOTH, (*PAIR, "--via", "src"), ["nvme_emu0", "CMB"]),
    ("CMB without WDS", (SRC, "nvme_emu1,path=dst.img,cmb=1M,cmbflags=rds"),
     (*PAIR, "--via", "dst"), ["nvme_emu1", "WDS"]),
    ("way through a device that is not there", BOTH, (*PAIR, "--via", "nvme_emu9"),
     ["nvme_emu9"]),
    ("way through a device without memory", (*BOTH, "nvme_emu2,size=1M"),
     (*PAIR, "--via", "nvme_emu2"), ["nvme_emu2", "CMB"]),
]

WRITE = ("-w", "write", "--count", "8")
ONE = (DST,)

TESTPMD = [
    ("unknown EAL option", (*ONE, "--frobnicate"), WRITE, ["--frobnicate", "--help"]),
    ("unknown option", ONE, (*WRITE, "--frob"), ["--frob", "--help"]),
    ("unknown workload", ONE, ("-w", "juggle"), ["juggle", "randread"]),
    ("no workload", ONE, (), ["-w", "randread"]),
    ("malformed block size", ONE, (*WRITE, "-o", "4Q"), ["4Q", "-o"]),
    ("block size no multiple of the LBA", ONE, (*WRITE, "-o", "1000"), ["1000", "512"]),
    ("block size past the namespace", ONE, (*WRITE, "-o", "8M"), ["8"]),
    ("malformed depth", ONE, (*WRITE, "-q", "1e3"), ["1e3", "-q"]),
    ("depth past CAP.MQES", ("nvme_emu1,path=dst.img,mqes=16",), (*WRITE, "-q", "16"), ["16"]),
    ("writing to a zoned namespace", ("nvme_emu1,path=dst.img,zoned=64K",), ("-w", "randwrite"),
     ["nvme_emu1 namespace 1 is zoned", "randread"]),
    ("malformed mix", ONE, ("-w", "randrw", "-M", "101"), ["101", "100"]),
    ("mix where nothing is mixed", ONE, (*WRITE, "-M", "30"), ["30", "randrw"]),
    ("malformed time", ONE, ("-w", "write", "-t", "soon"), ["soon", "-t"]),
    ("malformed count", ONE, ("-w", "write", "--count", "0"), [" 0", "--count"]),
    ("stray argument", ONE, (*WRITE, "more"), ["more"]),
    ("no device", (), WRITE, ["--vdev"]),
    ("malformed BDF to allow", (*ONE, "-a", "0000:00:1f.9"), WRITE, ["0000:00:1f.9", "BB:DD.F"]),
    ("malformed vdev", ("nvme_emu1,path=dst.img,cmb=7",), WRITE, ["cmb=7", "4096"]),
    ("no such device", ONE, (*WRITE, "--devices", "nvme_emu5"), ["nvme_emu5"]),
    ("malformed range", ONE, (*WRITE, "--devices", "nvme_emu1:1:x"), ["nvme_emu1:1:x", "SLBA"]),
    ("range past the end", ONE, (*WRITE, "--devices", "nvme_emu1:1:8000+193"),
     ["8000+193", "8192"]),
    ("overlapping devices", ONE, (*WRITE, "--devices", "nvme_emu1:1:0+100,nvme_emu1:1:50+100"),
     ["nvme_emu1:1:50+100"]),
    ("file that does not exist", ("nvme_emu1,path=none.img",), WRITE, ["none.img"]),
    ("file that is too small", ("nvme_emu1,path=dst.img,size=8M",), WRITE,
     ["dst.img", str(8 * MIB)]),
    ("two devices on one file", ("nvme_emu0,path=dst.img", "nvme_emu1,path=dst.img"), WRITE,
     ["dst.img"]),
    ("report that cannot be written", ONE, (*WRITE, "--json", "no/such/dir.json"),
     ["no/such/dir.json"]),
    ("copy: overlap", BOTH, ("-w", "copy", "--count", "1", "--src", "nvme_emu1:1:0+101", "--dst",
                             "nvme_emu1:1:100"), ["0+101", "100+101"]),
    ("copy: block size no multiple of both LBA sizes",
     (SRC, "nvme_emu1,path=dst.img,cmb=1M,bs=4096"), ("-w", "copy", "--count", "1", "-o", "6144"),
     ["6144", "4096"]),
    ("copy: CMB too small for the depth", BOTH, ("-w", "copy", "--count", "1", "-q", "9"),
     ["1020 KiB", "depth 9"]),
    ("copy: file that is not there", BOTH, ("-w", "copy", "--src", "file:none.img", "--dst",
                                            "nvme_emu1"), ["--src", "none.img", FILE_FORM]),
    ("copy: new file, and nothing else right", BOTH,
     ("-w", "copy", "--src", "nvme_emu0", "--dst", "file:new.img", "-o", "1000"), ["1000"]),
    ("file where nothing is copied", ONE, (*WRITE, "--devices", "file:dst.img"),
     ["file:dst.img", "copy"]),
    ("copy: one device", ONE, ("-w", "copy", "--count", "1"), ["-w copy", "--src"]),
]


def expect_refusal(program, eal, args, needles):
    def run(t):
        t.random("src.img", SIZE)
        t.poisoned("dst.img", SIZE)
        t.poisoned("odd.img", SIZE + 100)
        t.poisoned("empty.img", 0)
        os.link(t.path("src.img"), t.path("hard.img"))
        os.symlink("src.img", t.path("soft.img"))
        before = t.state()
        # Without hugepages there is a warning unless 4 KiB pages were asked for.
        result = t.run(t.argv(program, eal, args, huge=False))
        t.check(result.status == 2, result)
        t.check(result.stdout == "", result)
        t.check(result.stderr.count("\n") == 1 and result.stderr.endswith("\n"), result)
        t.check(result.stderr.startswith(program + ": "), result)
        for needle in needles:
            t.check(needle in result.stderr, "no %r in the message\n%s" % (needle, result))
        t.equal(t.state(), before, "files after a refusal")
    return run


for table_program, table in (("nvme_copy", NVME_COPY), ("peerlane-testpmd", TESTPMD)):
    for row_name, row_eal, row_args, row_needles in table:
        add_case("%s: %s" % (table_program, row_name),
                 expect_refusal(table_program, row_eal, row_args, row_needles))

if __name__ == "__main__":
    main()
