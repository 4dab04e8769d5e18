"""Weaves every change that cargo-mutants would make into one copy of the code, each behind a number.

`weave.py LIST TREE` takes what `cargo mutants --list --json` printed and a copy of the checkout. A change is then chosen by
BEDSIDE_MUTANT=<number> when a test runs, not when it is compiled, so that 1,500 changes cost one build and not 1,500. Changes that
do not compile are found by compiling, and taken out again. Writes TREE/mutants.json: each change and what became of it.
"""

import bisect
import json
import subprocess
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
RUNTIME = Path(__file__).with_name("chosen.rs")
AT = "crate::chosen::at"
BINARY = ("binary_expression", "compound_assignment_expr")


class File:
    """One source file, its changes, and where they stand after weaving."""

    def __init__(self, tree, path, mutants):
        self.path, self.target = path, tree / path
        self.text = self.target.read_bytes()
        self.lines = [0]
        for line in self.text.split(b"\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self.mutants = mutants
        self.root = PARSER.parse(self.text).root_node
        for mutant in mutants:
            mutant["from"], mutant["to"] = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
            mutant.setdefault("state", "woven")

    def offset(self, place):
        start = self.lines[place["line"] - 1]
        line = self.text[start : self.lines[place["line"]]].decode()
        return start + len(line[: place["column"] - 1].encode())

    def weave(self):
        """Writes the file with the changes that are not taken out; `placed` says which bytes belong to which change."""
        self.wraps = {}  # (start, end) of a node -> its changes, as (number, text)
        self.inserts = {}  # offset -> texts with changes' numbers
        for mutant in self.mutants:
            if mutant["state"] == "woven":
                try:
                    self.place(mutant)
                except NotWoven as reason:
                    mutant["state"] = "unviable" if isinstance(reason, Unviable) else "left"
                    mutant["why"] = str(reason)
        self.out, self.placed = bytearray(), []
        self.render(0, len(self.text), sorted(self.wraps, key=lambda at: (at[0], -at[1])))
        self.target.write_bytes(self.out)

    def place(self, mutant):
        at, to, number = mutant["from"], mutant["to"], mutant["number"]
        genre = mutant["genre"]
        if constant(self.node(at, max(to, at + 1))):
            raise NotWoven("a constant can't ask which change is chosen")
        if genre == "FnValue":
            self.inserts.setdefault(at, []).append((number, f"if {AT}({number}) {{ return {mutant['replacement']}; }} "))
        elif genre == "BinaryOperator":
            node = self.node(at, to)
            if node.type not in BINARY:
                node = node.parent
            if node.type == "let_chain":
                raise Unviable("`||` beside `let`")
            if node.type not in BINARY:
                raise NotWoven(f"an operator in {node.type}")
            while node.parent.type in BINARY:
                node = node.parent
            self.wrap(node, number, self.text[node.start_byte : at] + mutant["replacement"].encode() + self.text[to : node.end_byte])
        elif genre == "UnaryOperator":
            node = self.node(at, to)
            node = node if node.type == "unary_expression" else node.parent
            if node.type != "unary_expression":
                raise NotWoven(f"an operator in {node.type}")
            self.wrap(node, number, self.text[to : node.end_byte])
        elif genre == "MatchArmGuard":
            node = self.exact(at, to)
            if has_let(node):
                raise NotWoven("a guard with `let`")
            self.wrap(node, number, mutant["replacement"].encode())
        elif genre == "MatchArm":
            arm = ancestor(self.node(at, to), ("match_arm",))
            pattern = arm.child_by_field_name("pattern")
            guard = pattern.child_by_field_name("condition")
            if guard is None:
                self.inserts.setdefault(pattern.end_byte, []).append((number, f" if !{AT}({number}) "))
            elif has_let(guard) or guard.type != "binary_expression":
                self.inserts.setdefault(guard.start_byte, []).append((number, f"!{AT}({number}) && "))
            else:
                raise NotWoven("a guard of several parts")
        elif genre == "StructField":
            node = ancestor(self.node(at, to), ("struct_expression",))
            self.wrap(node, number, self.text[node.start_byte : at] + self.text[to : node.end_byte])
        else:
            raise NotWoven(genre)

    def wrap(self, node, number, text):
        self.wraps.setdefault((node.start_byte, node.end_byte), []).append((number, text))

    def render(self, start, end, wraps):
        """The text between two places; `wraps` are those within, outermost first."""
        at = start
        while wraps:
            (begins, ends), *wraps = wraps
            inner = [one for one in wraps if one[1] <= ends]
            wraps = [one for one in wraps if one[1] > ends]
            self.plain(at, begins, begins)
            self.out += b"(match () {"
            for number, text in self.wraps[begins, ends]:
                self.out += b" () if %s(%d) => { " % (AT.encode(), number)
                self.put(number, text)
                self.out += b" },"
            self.out += b" () => { "
            self.render(begins, ends, inner)
            self.out += b" } })"
            at = ends
        self.plain(at, end, end)

    def plain(self, start, end, before):
        """What is not wrapped, with the insertions that stand in it. One that stands at `before` comes before the wrap."""
        for place in sorted(place for place in self.inserts if start <= place < end or place == before and start <= place):
            self.out += self.text[start:place]
            for number, text in self.inserts.pop(place):
                self.put(number, text.encode())
            start = place
        self.out += self.text[start:end]

    def put(self, number, text):
        self.placed.append((len(self.out), len(self.out) + len(text), number))
        self.out += text

    def node(self, start, end):
        return self.root.descendant_for_byte_range(start, end - 1)

    def exact(self, start, end):
        node = self.node(start, end)
        while (node.start_byte, node.end_byte) != (start, end):
            if node.parent is None or node.start_byte < start:
                raise NotWoven("no expression of its own")
            node = node.parent
        return node

    def blamed(self, start, end):
        return [number for from_, to, number in self.placed if from_ <= start and end <= to]

    def arms(self, start, end):
        """The changes that delete an arm of the `match` at this place: without any of them it is no longer exhaustive."""
        node = ancestor(PARSER.parse(bytes(self.out)).root_node.descendant_for_byte_range(start, end - 1), ("match_expression",))
        inside = [number for from_, to, number in self.placed if node.start_byte <= from_ and to <= node.end_byte and self.out[from_:].startswith(b" if !")]
        return inside


class NotWoven(Exception):
    """This change can't be chosen at run time; cargo-mutants itself has to make it."""


class Unviable(NotWoven):
    """This change can't compile."""


def ancestor(node, types):
    while node.type not in types:
        node = node.parent
        if node is None:
            raise NotWoven("stands nowhere")
    return node


def constant(node):
    """Whether it is computed by the compiler."""
    while node is not None and node.type not in ("const_item", "static_item", "function_item"):
        node = node.parent
    if node is None or node.type != "function_item":
        return node is not None
    return any(child.type == "function_modifiers" and b"const" in child.text for child in node.children)


def has_let(node):
    return node.type in ("let_condition", "let_chain") or any(has_let(child) for child in node.children)


def errors(tree, check):
    """What does not compile: (file, byte, byte, message)."""
    done = subprocess.run(check, cwd=tree, stdout=subprocess.PIPE, text=True)
    found, tests = [], []
    for line in done.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") == "compiler-artifact" and message["profile"]["test"] and message.get("executable"):
            tests.append({"executable": message["executable"], "folder": str(Path(message["manifest_path"]).parent)})
        if message.get("reason") != "compiler-message" or message["message"]["level"] != "error":
            continue
        message = message["message"]
        spans = sorted(message["spans"], key=lambda span: not span["is_primary"])
        if spans:
            found.append(([(span["file_name"], span["byte_start"], span["byte_end"]) for span in spans], message["rendered"]))
    return found, tests, done.returncode


def main():
    listed, tree = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    check = sys.argv[3:]
    for number, mutant in enumerate(listed, 1):
        mutant["number"] = number
        mutant.pop("diff", None)
    files = {path: File(tree, path, [m for m in listed if m["file"] == path]) for path in sorted({m["file"] for m in listed})}
    runtime = RUNTIME.read_text().replace("const CHANGES: usize = 0;", f"const CHANGES: usize = {len(listed) + 1};")
    (tree / "records/src/chosen.rs").write_text(runtime)
    lib = tree / "records/src/lib.rs"
    lib.write_text(lib.read_text() + "\nmod chosen;\n")
    by_number = {mutant["number"]: mutant for mutant in listed}
    while True:
        for file in files.values():
            file.weave()
        found, tests, status = errors(tree, check)
        blamed = set()
        strange = []
        for spans, rendered in found:
            numbers = []
            for path, start, end in spans:
                if path in files:
                    numbers = files[path].blamed(start, end)
                    if not numbers and "E0004" in rendered:
                        numbers = files[path].arms(start, end)
                if numbers:
                    break
            blamed.update(numbers)
            for number in numbers:
                by_number[number].setdefault("why", rendered[:400])
            if not numbers:
                strange.append(rendered)
        print(f"{sum(m['state'] == 'woven' for m in listed)} woven, {len(blamed)} of them do not compile", flush=True)
        if not blamed:
            if status:
                sys.exit("the woven code does not compile, and no change is to blame:\n" + "\n".join(strange))
            break
        for number in blamed:
            by_number[number]["state"] = "unviable"
    (tree / "tests.json").write_text(json.dumps(tests))
    (tree / "mutants.json").write_text(json.dumps(listed, indent=1))


if __name__ == "__main__":
    main()
