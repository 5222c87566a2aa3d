"""Small files as a user may bring them, and recipes for them."""

from __future__ import annotations

import csv
from pathlib import Path

RECIPES = {"text-classifier": "films.csv", "text-lm": "book.txt"}
"""Recipes sized by the data, with the file that they are tried on."""
BASELINES = {"text-nbsvm": "text-classifier", "text-5gram": "text-lm"}
"""Baselines for own data, and the recipe whose file they are tried on, too."""
WORDS = {
    "good": ["fine", "lovely", "great"],
    "bad": ["awful", "dull", "poor"],
    "odd": ["weird", "strange", "eerie"],
}


def write(folder: Path, recipe: str, *, labels: int = 2, rows: int = 30) -> str:
    """Write the file that a recipe is for; returns the override that names it."""
    recipe = BASELINES.get(recipe, recipe)
    path = folder / RECIPES[recipe]
    if recipe == "text-lm":
        path.write_text("".join(f"{index} lines, and no end.\n" for index in range(rows)), encoding="utf-8")
        return f"data.path={path}"
    names = list(WORDS)[:labels]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for index in range(rows):
            label = names[index % labels]
            word = WORDS[label][index // labels % 3]
            writer.writerow([f"A {word} film, number {index}, {word}!", label])
    return f"data.path={path}"
