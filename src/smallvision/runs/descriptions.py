"""One sentence for each key of the JSON files, and each array, that runs of every task have.

`scripts/file-formats` writes them into docs/file-formats.md beside the shapes of `runs.schema` and `runs.evidence`. A
task describes its own keys in its `Schema`.
"""

# keys that are written, and not checked when a run is read
UNCHECKED = {
    "state.json": {
        "data": "The sha256 of ids and labels of all splits; a run is not resumed on other images.",
        "encoder": "The run from which the encoder was taken: its folder, hash, seed and the sha256 of its weights.",
    },
    "environment.json": {
        "smallvision": "The version of smallvision.",
        "python": "The version of Python.",
        "platform": "The operating system and the machine's architecture.",
        "processor": "The name of the processor.",
        "cores": "The number of its cores.",
        "device": "Where it was computed: cpu, cuda or mps.",
        "device_name": "The name of that device.",
        "threads": "The number of threads of torch.",
        "precision": "fp32 or bf16.",
        "deterministic": "Whether only deterministic algorithms were allowed.",
    },
    "metrics.jsonl": {
        "best": 'Whether the epoch is the best so far, if recipe.select is "best-validation".',
    },
}

FILES: dict[str, dict[str, str]] = {
    "state.json": {
        "format_version": "The version of the format, 1.",
        "status": "running, finished, failed or interrupted.",
        "pid": "The process that writes the run.",
        "heartbeat": "When it last wrote, in seconds since 1970.",
        "started": "When the run began, in seconds since 1970.",
        "finished": "When the run ended, in seconds since 1970.",
        "experiment": "The hash of the experiment.",
        "seed": "The seed of the run.",
        "command": "The command line that repeats the run.",
        "message": "Why the run failed or was interrupted.",
    },
    "environment.json": {
        "format_version": "The version of the format, 1.",
        "packages": "The version of each library that decides bits, by its name.",
    },
    "metrics.jsonl": {
        "epoch": "The epoch, counted from 1; each line of the file is one epoch.",
        "step": "How many steps have been made.",
        "examples": "How many images have been seen, repetitions included.",
        "learning_rate": "The learning rate of the last step.",
        "seconds": "The seconds of training until then, scoring not included.",
        "alarm": "A warning that should not wait until training is over.",
        "train": "Averages over the epoch while the weights changed, with augmentation.",
        "validation": "The scores of the validation images after the epoch.",
        "test": 'The scores of the test images after the epoch, with protocol.test = "watched".',
    },
    "steps.jsonl": {
        "epoch": "The epoch, counted from 1; each line of the file is one report of progress.",
        "step": "The step of the last of the losses.",
        "examples": "How many images have been seen, repetitions included.",
        "loss": "The loss of each step since the line before.",
        "seconds": "The seconds of training until then.",
    },
    "layers.json": {
        "format_version": "The version of the format, 1.",
        "input": "Channels, height and width of an image.",
        "totals": "The sums over all rows.",
        "totals.parameters": "The number of parameters.",
        "totals.multiply_adds": "Multiplications with an addition, for one image.",
        "totals.parameter_bytes": "The bytes of the parameters.",
        "totals.output_bytes": "The bytes of all layers' outputs, for one image.",
        "rows": "The layers, in the order in which an image goes through them.",
        "rows[].name": "The layer's name in the network.",
        "rows[].type": "The layer's class.",
        "rows[].output": "The shape of its output, without the batch.",
        "rows[].receptive_field": (
            "The side of the receptive field of one position, in pixels; null if the output is not a feature map."
        ),
        "rows[].parameters": "The number of parameters.",
        "rows[].multiply_adds": "Multiplications with an addition, for one image.",
        "rows[].parameter_bytes": "The bytes of the parameters.",
        "rows[].output_bytes": "The bytes of the output, for one image.",
    },
    "result.json": {
        "format_version": "The version of the format, 1.",
        "name": "The experiment's name.",
        "experiment": "The hash of the experiment.",
        "seed": "The seed of the run.",
        "parameters": "The number of parameters of the network.",
        "bytes": "The bytes of the parameters.",
        "multiply_adds": "Multiplications with an addition, for one image.",
        "epochs": "How many epochs were trained.",
        "seconds": "The seconds of training.",
        "seconds_per_epoch": "Their mean over the epochs.",
        "images_per_second": "Training images seen per second.",
        "precision": "fp32 or bf16.",
        "selected": "Which weights were kept.",
        "selected.epoch": "The epoch that they are of.",
        "selected.by": 'By what they were chosen: "last" or "best-validation".',
        "classes": "The names of the classes.",
        "counts": "The number of images of each split.",
        "counts.train": "The number of training images; likewise for validation, test and unseen if there are any.",
        "mean": "The mean of the training pixels, by channel, as the first layer subtracts it.",
        "std": "The standard deviation of the training pixels, by channel, as the first layer divides by it.",
        "notes": "Sentences that a person should know about the run.",
        "model_sha256": "The sha256 of model.safetensors.",
        "looks": "How many times the test split was scored.",
        "sizes": "How many sizes the training images have, where there are several.",
        "pixel_range": "Which numbers of the original images became black and white, if these were not 0 and 255.",
        "pixel_range.black": "The number that became black.",
        "pixel_range.white": "The number that became white.",
        "pixel_range.type": (
            "The type of these numbers: uint8, integers, floats or bool for arrays; files of more than 8 bits or "
            "float files for image files."
        ),
        "train": "The scores of the training images by the weights that were kept, without augmentation.",
        "validation": "The scores of the validation images.",
        "test": "The scores of the test images.",
        "unseen": "The scores of test images of classes that were kept out of training.",
        "class_counts": "How many images of each class a split has, in the order of classes.",
        **{f"class_counts.{split}": f"Those of the {split} images." for split in ("train", "validation", "test")},
        **{
            f"{split}.{key}": sentence
            for split in ("train", "validation", "test", "unseen")
            for key, sentence in (
                ("count", "The number of images."),
                ("copies", "Images of the split that equal a training image in size and in every pixel."),
                ("copies.images", "How many there are."),
                ("copies.other_label", "How many of them have a label that no training image equal to them has."),
                ("copies.rest", "The score without them, by the key of the task's metric."),
                ("copies.rest.count", "Of how many images it is, or pairs of images."),
            )
        },
    },
}

ARRAYS = {
    "split": 'Which split the arrays are of: "test", or "validation" or "train" where there is no other.',
    "labels": "The class of each image.",
    "ids": (
        "An identifier of each image that is the same in every run: the hash of its content, and its number among "
        "equal images."
    ),
    "first_index": "The first images of the split that the report shows: their rows.",
    "first_pixels": "Their pixels.",
    "train_labels": "The classes of training images that the report shows.",
    "train_pixels": "Their pixels, augmented if training images are.",
    "filters": "The weights of the first convolution, or of the first dense layer as images, at most 64.",
    "panel_kinds": "How the training set was expanded: the name of each kind of image.",
    "panel_pixels": "Some images of each kind.",
}
