"""Table 13: pedestrians of CityPersons, with MS-CNN."""

title = "Table 13: CityPersons"
source = "Table 13 (CityPersons val, log-average miss rate, lower is better)"
question = "Does a cascade miss fewer people than MS-CNN, most of all where boxes have to fit well?"
arms = {
    "MS-CNN": dict(arm="mscnn_citypersons", benchmark=""),
    "Cascade MS-CNN": dict(arm="mscnn_citypersons_cascade", benchmark="", beside="MS-CNN"),
}
layout = ["table"]
columns = {
    "R MR50": "MR50_Reasonable",
    "small MR50": "MR50_Small",
    "heavy MR50": "MR50_Heavy",
    "all MR50": "MR50_All",
    "R MR75": "MR75_Reasonable",
    "small MR75": "MR75_Small",
    "heavy MR75": "MR75_Heavy",
    "all MR75": "MR75_All",
}
counts = "R MR75"
digits = 2
paper = {
    "MS-CNN": (None, None, None, None, None, None, None, None),
    "Cascade MS-CNN": (None, None, None, None, None, None, None, None),
    "what the cascade has more (text: about)": (None, None, None, None, -10.0, None, None, None),
    "MS-CNN, test set (leaderboard)": (13.32, 15.86, 51.88, 39.94, None, None, None, None),
    "Cascade MS-CNN, test set (leaderboard)": (11.62, 13.64, 47.14, 37.63, None, None, None, None),
}
claims = ["C17"]
data = ["drawn-citypersons"]
note = (
    "Miss rates: lower is better, and a gain below 0 is one. Drawn streets in CityPersons' files "
    "stand for CityPersons: full and visible boxes, sitting people, groups and ignore regions, a "
    "quarter of its size; templates and rules of training are two fifths of MS-CNN's. The score "
    "is CityPersons' own; its heights of 20, 50 and 75 pixels are not scaled. With 200 pictures "
    "the lowest rate of false positives stands for two of them. The narrow MS-CNN is that of "
    "Table 12. The paper's cells were not found; the leaderboard's are of the test set."
)
