"""Write label_studio.json: results as the tags of label-studio-sdk make them, for each answer that can be given.

pip install label-studio-sdk==2.1.2    # in an environment of its own: it holds numpy back
python -m tests.rating.data.make_label_studio
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from label_studio_sdk.label_interface import LabelInterface

from pytest_llm.rating.label_studio import configuration
from tests.rating.sheets import PAIRS, SCORED

GIVEN: dict[str, list[dict[str, dict[str, Any]]]] = {
    "pairs": [
        {"pw": {"label": "left"}},
        {"pw": {"label": "right"}, "note": {"text": ["a note"]}},
        {"tie": {"label": "tie"}},
    ],
    "ratings": [{"rating": {"rating": 4}}, {"rating": {"rating": 1}, "note": {"text": ["a note"]}}],
}


def main() -> None:
    made = {}
    for kind, sheet in (("pairs", PAIRS), ("ratings", SCORED)):
        interface = LabelInterface(configuration(sheet, sheet.question))
        interface.validate()
        made[kind] = [
            [interface.get_control(name).label(**arguments)._dict() for name, arguments in controls.items()]
            for controls in GIVEN[kind]
        ]
        for results in made[kind]:  # it does not know its own pairwise: control and object are the same
            assert all(result["type"] == "pairwise" or interface.validate_region(result) for result in results)
    path = Path(__file__).with_name("label_studio.json")
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
