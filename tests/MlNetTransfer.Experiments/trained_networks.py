"""Trains torchvision's small architectures on Debian's tuxpaint stamps, each with every scale of pixels, for a few epochs, and writes
OUT/ARCHITECTURE.SCALE.onnx with batch normalisations and OUT/ARCHITECTURE.SCALE.folded.onnx without. What exists is kept.

Usage: trained_networks.py OUT"""
import glob, os, random, sys
import numpy as np, torch, torchvision
from PIL import Image

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
torch.set_num_threads(2)
side, images, labels = 64, [], []
classes = [d for d in sorted(glob.glob('/usr/share/tuxpaint/stamps/*')) if len(glob.glob(d + '/**/*.png', recursive=True)) >= 25]
for label, folder in enumerate(classes):
    for name in sorted(glob.glob(folder + '/**/*.png', recursive=True))[:150]:
        image = Image.open(name).convert('RGBA'); white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image)
        images.append(np.asarray(white.convert('RGB').resize((side, side), Image.BILINEAR))); labels.append(label)
x, y = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float(), torch.tensor(labels)
channels = lambda *v: torch.tensor(v).view(1, 3, 1, 1)
scales = {
    'imagenet': lambda x: (x / 255 - channels(.485, .456, .406)) / channels(.229, .224, .225), 'unit': lambda x: x / 255,
    'minus1to1': lambda x: x / 127.5 - 1, 'raw255': lambda x: x, 'caffe': lambda x: x.flip(1) - channels(103.939, 116.779, 123.68),
}
models = torchvision.models
networks = {'resnet18': models.resnet18, 'mobilenet_v2': models.mobilenet_v2, 'shufflenet_v2': models.shufflenet_v2_x0_5}
for name, make in networks.items():
    for scale, apply in scales.items():
        file = f'{out}/{name}.{scale}.onnx'
        if os.path.exists(file): continue
        torch.manual_seed(1); random.seed(1)
        network = make(num_classes=len(classes)); optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        for _ in range(6):
            order = torch.randperm(len(x))
            for b in range(0, len(x) - 8, 32):
                i = order[b:b + 32]; batch = x[i].flip(3) if random.random() < .5 else x[i]
                loss = torch.nn.functional.cross_entropy(network(apply(batch)), y[i]); optimizer.zero_grad(); loss.backward(); optimizer.step()
        network.eval()
        names = dict(input_names=['x'], output_names=['y'], dynamic_axes={'x': {0: 'N'}, 'y': {0: 'N'}}, opset_version=13)
        torch.onnx.export(network, torch.zeros(1, 3, side, side), file.replace('.onnx', '.folded.onnx'), **names)
        torch.onnx.export(network, torch.zeros(1, 3, side, side), file, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, **names)
