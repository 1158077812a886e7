"""What Google publishes about the Drive API (drive_v3.json): the methods that are served here, and the names that may
appear in requests and answers.

  drive_facts.py DISCOVERY.json      compares the facts with Google's discovery document, and says what differs

The document is in the Python package google-api-python-client, as googleapiclient/discovery_cache/documents/drive.v3.json.
"""

import json
import os
import re
import sys

PLACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drive_v3.json")
# Answers within answers: where a field holds a resource of its own.
PARTS = {
    ("FileList", "files"): "File",
    ("DriveList", "drives"): "Drive",
    ("About", "storageQuota"): "About.storageQuota",
    ("About", "user"): "About.user",
}


class Method:
    def __init__(self, name, facts, common):
        self.name = name
        self.verb = facts["verb"]
        self.parameters = {*facts["parameters"], *common}
        self.request = facts.get("request")
        self.response = facts.get("response")
        self.patterns = [(False, self.pattern(facts["path"]))]
        if "upload" in facts:
            self.patterns.append((True, self.pattern(facts["upload"])))

    @staticmethod
    def pattern(path):
        return re.compile(re.sub(r"\{\w+\}", "([^/]+)", path) + "$")


class Facts:
    def __init__(self, path=PLACE):
        with open(path, encoding="ascii") as file:
            document = json.load(file)
        self.resources = {name: set(fields) for name, fields in document["resources"].items()}
        self.methods = [Method(name, facts, document["common"]) for name, facts in document["methods"].items()]
        # `files/trash` before `files/{fileId}`.
        self.methods.sort(key=lambda method: method.name != "files.emptyTrash")

    def find(self, verb, path):
        """The method, whether it is its upload form, and the words of the path; or nothing."""
        for method in self.methods:
            for is_upload, pattern in method.patterns:
                match = pattern.match(path)
                if match and method.verb == verb:
                    return method, is_upload, match.groups()
        return None

    def part(self, resource, field):
        return PARTS.get((resource, field))

    def unknown(self, resource, document):
        """The names in a document that the resource does not have."""
        found = []
        for name, value in document.items():
            if name not in self.resources[resource]:
                found.append(f"{resource}.{name}")
                continue
            part = self.part(resource, name)
            if part:
                for each in value if isinstance(value, list) else [value]:
                    found += self.unknown(part, each)
        return found


def differences(discovery):
    """What the facts say otherwise than Google's document."""
    with open(PLACE, encoding="ascii") as file:
        facts = json.load(file)
    found = []

    def same(what, ours, theirs):
        if ours != theirs:
            found.append(f"{what}: {ours} here, {theirs} there")

    same("common parameters", facts["common"], sorted(discovery["parameters"]))
    for name, ours in facts["methods"].items():
        resource, _, verb = name.partition(".")
        theirs = discovery["resources"][resource]["methods"].get(verb)
        if theirs is None:
            found.append(f"{name}: no such method there")
            continue
        parameters = theirs.get("parameters", {})
        same(name + " verb", ours["verb"], theirs["httpMethod"])
        same(name + " path", ours["path"], "/" + discovery["servicePath"] + theirs["path"])
        same(name + " parameters", ours["parameters"], sorted(k for k in parameters if parameters[k]["location"] == "query"))
        same(name + " upload", ours.get("upload"), theirs.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path"))
        for side in ("request", "response"):
            same(f"{name} {side}", ours.get(side), theirs.get(side, {}).get("$ref"))
    for name, ours in facts["resources"].items():
        words = name.split(".")
        theirs = discovery["schemas"][words[0]]["properties"]
        for word in words[1:]:
            inner = theirs[word]
            theirs = (discovery["schemas"][inner["$ref"]] if "$ref" in inner else inner)["properties"]
        same(name, ours, sorted(theirs))
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as document:
        wrong = differences(json.load(document))
    print("\n".join(wrong) or "the facts are what the document says")
    sys.exit(1 if wrong else 0)
