"""LeNet, Conv-4 and ResNet-20 as one writes them in PyTorch, with the names of our layers."""

import torch
import torch.nn.functional as F
from torch import nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense_1, self.dense_2 = nn.Linear(3072, 300), nn.Linear(300, 100)
        self.output = nn.Linear(100, 10)

    def forward(self, images):
        features = F.relu(self.dense_1(images.flatten(1)))
        return self.output(F.relu(self.dense_2(features)))


class Conv4(nn.Module):
    def __init__(self):
        super().__init__()
        for number, (given, filters) in enumerate([(3, 64), (64, 64), (64, 128), (128, 128)], 1):
            setattr(self, f"conv_{number}", nn.Conv2d(given, filters, 3, padding=1))
        self.dense_1, self.dense_2 = nn.Linear(128 * 8 * 8, 256), nn.Linear(256, 256)
        self.output = nn.Linear(256, 10)

    def forward(self, features):
        for number in range(1, 5):
            features = F.relu(getattr(self, f"conv_{number}")(features))
            if number % 2 == 0:
                features = F.max_pool2d(features, 2)
        features = F.relu(self.dense_1(features.flatten(1)))
        return self.output(F.relu(self.dense_2(features)))


def padded(features, stride):
    # Keras pads "same" at the bottom and the right alone where the stride is 2.
    return F.pad(features, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution("stem", 3, 16, 3, 1)
        self.blocks, given = [], 16
        for stage, filters in enumerate([16, 32, 64], 1):
            for number in range(1, 4):
                stride = 2 if stage > 1 and number == 1 else 1
                name = f"stage{stage}_block{number}"
                self.convolution(f"{name}_conv1", given, filters, 3, stride)
                self.convolution(f"{name}_conv2", filters, filters, 3, 1)
                if given != filters:
                    self.convolution(f"{name}_shortcut", given, filters, 1, stride)
                self.blocks.append((name, stride, given != filters))
                given = filters
        self.output = nn.Linear(64, 10)

    def convolution(self, name, given, filters, size, stride):
        setattr(self, name, nn.Conv2d(given, filters, size, stride, bias=False))
        setattr(self, f"{name}_bn", nn.BatchNorm2d(filters, eps=1e-5))

    def normed(self, name, features):
        return getattr(self, f"{name}_bn")(getattr(self, name)(features))

    def forward(self, images):
        features = F.relu(self.normed("stem", padded(images, 1)))
        for name, stride, is_wider in self.blocks:
            residual = F.relu(self.normed(f"{name}_conv1", padded(features, stride)))
            residual = self.normed(f"{name}_conv2", padded(residual, 1))
            shortcut = self.normed(f"{name}_shortcut", features) if is_wider else features
            features = F.relu(shortcut + residual)
        return self.output(torch.mean(features, (2, 3)))


NETWORKS = {"lenet_300_100": LeNet, "conv4": Conv4, "resnet20": ResNet20}
