"""Reads a FHIR R4 Bundle from standard input and checks every resource in it against the R4B models of fhir.resources.

R4B keeps the R4 definitions of every resource that is exported here. Prints how many of each kind there are; fails loudly.
"""

import json
import sys
from collections import Counter

from fhir.resources.R4B import get_fhir_model_class

bundle = json.load(sys.stdin)
entries = bundle.pop("entry")
get_fhir_model_class("Bundle").model_validate(bundle)

urls = {entry["fullUrl"] for entry in entries}
kinds = Counter()


def references(value):
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


for entry in entries:
    resource = entry["resource"]
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert entry["fullUrl"] == f"urn:uuid:{resource['id']}", entry["fullUrl"]
    for reference in references(resource):
        assert reference in urls, f"{resource['resourceType']} refers to {reference}, which is not in the bundle"
    kinds[resource["resourceType"]] += 1

assert len(urls) == len(entries), "an id is used twice"
print(json.dumps(kinds))
