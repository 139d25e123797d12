"""Refuses a pickle by its instructions, before any of them is executed.

A pickle is a program. A few bytes of it can claim a string of gigabytes, ask for a memo of a thousand million places,
or double a tuple until nothing can hold or compare it. The instructions and their arguments are therefore read here
(as `pickletools` describes them) without making any of the objects.
"""

import pickle
import pickletools
from collections import Counter

MOST_INSTRUCTIONS = 300_000  # a batch of CIFAR-10 has 10 000 to 50 000
MOST_OF = {"tuple": 24, "call": 16, "state": 8}  # 12, 8 and 2 in a batch; each tuple can double what is in it

_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET")
_ALLOWED = {
    *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", *_MEMO),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", *_TUPLES),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}
_BY_CODE = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_GROUP = {**dict.fromkeys(_TUPLES, "tuple"), "REDUCE": "call", "BUILD": "state"}
_LENGTH = {  # how many bytes say the length of the argument
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_LONGEST_LINE = 10_000_000  # bytes of an argument that ends with its line
_LONGEST_NUMBER = 20  # bytes of a whole number, as text or not


def scan(content: bytes, most: int = MOST_INSTRUCTIONS) -> None:
    """Read the instructions of a pickle up to its end, and execute none.

    Parameters
    ----------
    content : the pickle. What follows its last instruction is not looked at.
    most : instructions, and places of the memo.

    Raises
    ------
    pickle.UnpicklingError : an instruction that no batch of CIFAR-10 needs; more of them than any such batch has; an
        argument that claims more bytes than there are; a place of the memo beyond `most`; a number of too many digits.
    EOFError : the last instruction is missing.
    """
    place, count, seen = 0, 0, Counter[str]()
    while place < len(content):
        code = _BY_CODE.get(content[place])
        if code is None:
            raise pickle.UnpicklingError(f"byte {content[place]} at {place:,} is not an instruction")
        name = code.name
        if name not in _ALLOWED:
            raise pickle.UnpicklingError(f"it has the instruction {name}, which no batch of CIFAR-10 needs")
        count += 1
        group = _GROUP.get(name)
        if group is not None:
            seen[group] += 1
        if count > most or (group is not None and seen[group] > MOST_OF[group]):
            what = "instructions" if count > most else f"instructions {name}"
            raise pickle.UnpicklingError(f"it has more {what} than any batch of CIFAR-10")
        first, place = _argument(content, place + 1, code)
        if name in _MEMO and _number(content[first:place], code) > most:
            raise pickle.UnpicklingError(f"it refers to place {_number(content[first:place], code):,} of its memo")
        if name in ("INT", "LONG", "LONG1") and place - first > _LONGEST_NUMBER + 2:
            raise pickle.UnpicklingError(f"it has a whole number of {place - first:,} bytes")
        if name == "FRAME" and int.from_bytes(content[first:place], "little") > len(content) - place:
            raise pickle.UnpicklingError("it states a frame that is longer than the file")
        if name == "STOP":
            return
    raise EOFError


def _argument(content: bytes, place: int, code: pickletools.OpcodeInfo) -> tuple[int, int]:
    """Where the argument of an instruction begins, and where the next instruction does."""
    if code.arg is None:
        return place, place
    if code.arg.n == pickletools.UP_TO_NEWLINE:
        end = place
        for _ in range(2 if code.name == "GLOBAL" else 1):
            end = content.find(b"\n", end, end + _LONGEST_LINE) + 1
            if not end:
                raise EOFError
        return place, end
    if code.arg.n >= 0:
        end = place + code.arg.n
    else:
        begins = place + _LENGTH[code.arg.n]
        length = int.from_bytes(content[place:begins], "little")
        if length > len(content) - begins:
            raise pickle.UnpicklingError(
                f"it states an argument of {length:,} bytes, but the file has {len(content):,} bytes"
            )
        end = begins + length
    if end > len(content):
        raise EOFError
    return place, end


def _number(argument: bytes, code: pickletools.OpcodeInfo) -> int:
    """The place of the memo in an argument: decimal digits and the end of a line, or bytes, low byte first."""
    if code.arg is not None and code.arg.n == pickletools.UP_TO_NEWLINE:
        digits = argument.strip()
        return int(digits) if digits.isdigit() and len(digits) <= _LONGEST_NUMBER else 10**_LONGEST_NUMBER
    return int.from_bytes(argument, "little")
