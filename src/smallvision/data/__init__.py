"""From image files to batches: sources, readers, image sets, orders, batches, augmentation."""
