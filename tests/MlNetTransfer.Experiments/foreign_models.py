"""Small trained classifiers as ONNX files of many makers' forms, with what is true of each, and tensors prepared by Pillow and numpy.

Usage: foreign_models.py IMAGES OUT. IMAGES has one folder per class. Writes OUT/NAME/model.onnx, what lies beside it, tensors.bin
(the images of OUT/images.txt as the model itself takes them), and OUT/truth.json."""
import glob, json, os, sys
import numpy as np, onnx, torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

root, out = sys.argv[1:3]
torch.manual_seed(1); torch.set_num_threads(2)
folders = sorted(glob.glob(root + '/*/'))
files = [(f, i) for i, folder in enumerate(folders) for f in sorted(glob.glob(folder + '/*'))]
classes = len(folders)
chosen = [f for f, _ in files][:: max(1, len(files) // 6)][:6]
open(out + '/images.txt', 'w').write('\n'.join(chosen))

def pixels(file, w=64, h=64):
    image = Image.open(file)
    if image.mode in ('RGBA', 'LA', 'P'):
        image = image.convert('RGBA'); white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image); image = white
    return np.asarray(image.convert('RGB').resize((w, h), Image.BILINEAR))

MEAN, STD = np.array([.485, .456, .406], np.float32), np.array([.229, .224, .225], np.float32)
CAFFE = np.array([123.68, 116.779, 103.939], np.float32)
SCALES = {
    'imagenet': lambda x: (x / 255 - MEAN) / STD, 'unit': lambda x: x / 255, 'minus1to1': lambda x: x / 127.5 - 1,
    'raw255': lambda x: x, 'caffe': lambda x: (x - CAFFE)[..., ::-1],
}

def prepared(rgb, scale, channels=3):
    x = rgb.astype(np.float32)
    if channels == 1: x = x @ np.array([[.299], [.587], [.114]], np.float32)
    if channels == 4: x = np.concatenate([x, np.full(x.shape[:-1] + (1,), 255, np.float32)], -1)
    return np.ascontiguousarray(SCALES[scale](x))

def block(a, b, norm): return [torch.nn.Conv2d(a, b, 3, 2, 1, bias=not norm)] + ([torch.nn.BatchNorm2d(b)] if norm else []) + [torch.nn.ReLU()]

class Net(torch.nn.Module):
    def __init__(self, channels=3, outputs=classes, norm=True):
        super().__init__()
        self.body = torch.nn.Sequential(*block(channels, 16, norm), *block(16, 32, norm), *block(32, 48, norm))
        self.pool, self.head = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Linear(48, outputs)
    def forward(self, x): return self.head(torch.flatten(self.pool(self.body(x)), 1))

class Attention(torch.nn.Module):
    """Patches, two encoder layers, the mean of the tokens: a transformer without batch normalisation."""
    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Conv2d(3, 48, 8, 8)
        self.place = torch.nn.Parameter(torch.zeros(1, 64, 48))
        layer = lambda: torch.nn.TransformerEncoderLayer(48, 4, 96, 0.0, batch_first=True, norm_first=True)
        self.one, self.two, self.norm, self.head = layer(), layer(), torch.nn.LayerNorm(48), torch.nn.Linear(48, classes)
    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.norm(self.two(self.one(x))).mean(1))

def trained(scale, channels=3, size=(64, 64), net=None, binary=False, epochs=10):
    torch.manual_seed(1)
    net = net or Net(channels, 1 if binary else classes)
    x = torch.tensor(np.stack([prepared(pixels(f, *size), scale, channels) for f, _ in files])).permute(0, 3, 1, 2).contiguous()
    y = torch.tensor([i for _, i in files])
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for b in range(0, len(x) - 8, 16):
            i = order[b:b + 16]; given = net(x[i])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(given[:, 0], (y[i] < classes // 2).float()) if binary else torch.nn.functional.cross_entropy(given, y[i])
            optimizer.zero_grad(); loss.backward(); optimizer.step()
    return net.eval()

def export(net, file, shape=(1, 3, 64, 64), opset=13, dynamic=True, keep=True, axes=None):
    options = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False) if keep else {}
    axes = axes or ({'x': {0: 'N'}, 'y': {0: 'N'}} if dynamic else None)
    torch.onnx.export(net, torch.zeros(shape), file, input_names=['x'], output_names=['y'], opset_version=opset, dynamic_axes=axes, **options)
    return onnx.load(file)

truths = []
def put(name, model, scale, state='', channels=3, size=(64, 64), last=False, dtype='float32', tune=True, beside={}, labelled=False, form=''):
    folder = f'{out}/{name}'; os.makedirs(folder, exist_ok=True)
    if model is not None: onnx.save(model, folder + '/model.onnx')
    for file, text in beside.items(): open(f'{folder}/{file}', 'w').write(text)
    x = np.stack([prepared(pixels(f, *size), 'raw255' if dtype == 'uint8' else scale, channels) for f in chosen])
    if dtype == 'uint8': x = np.floor(x + 0.5)
    if not last: x = x.transpose(0, 3, 1, 2)
    np.ascontiguousarray(x.astype(dtype)).tofile(folder + '/tensors.bin')
    truths.append(dict(name=name, form=form, scale=scale, state=state, shape=list(x.shape), type=dtype, tune=tune, labelled=labelled, size=list(size)))

def prefix(model, nodes, inputs, initialisers=()):
    """Puts nodes before the network; the last of them gives 'x'."""
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(initialisers)
    for i, node in enumerate(nodes): model.graph.node.insert(i, node)
    onnx.checker.check_model(model)
    return model

tmp = out + '/tmp.onnx'
image = lambda name, shape, kind=TensorProto.FLOAT: helper.make_tensor_value_info(name, kind, shape)
base = {s: trained(s) for s in ('imagenet', 'unit', 'minus1to1', 'raw255', 'caffe')}
for opset in (9, 11, 17):
    put(f'torch-opset{opset}', export(base['imagenet'], tmp, opset=min(opset, 16)), 'imagenet', form=f'torch.onnx, operator set {min(opset, 16)}')
put('torch-folded', export(base['imagenet'], tmp, keep=False), 'imagenet', labelled=True, form='batch norm folded away; by labelled images')
put('torch-unit', export(base['unit'], tmp), 'unit', form='torch.onnx')
put('torch-raw', export(base['raw255'], tmp), 'raw255', form='torch.onnx')
put('batch-of-1', export(base['minus1to1'], tmp, dynamic=False), 'minus1to1', form='fixed batch of 1')
put('batch-of-4', export(base['minus1to1'], tmp, shape=(4, 3, 64, 64), dynamic=False), 'minus1to1', tune=True, form='fixed batch of 4')
put('any-size', export(base['unit'], tmp, axes={'x': {0: 'N', 2: 'H', 3: 'W'}, 'y': {0: 'N'}}), 'unit', state='--input-size 64', form='dynamic height and width')

m = export(base['minus1to1'], tmp)
put('keras-nhwc', prefix(m, [helper.make_node('Transpose', ['image_nhwc'], ['x'], perm=[0, 3, 1, 2])], [image('image_nhwc', ['N', 64, 64, 3])]), 'minus1to1', last=True, form='channels last')
m = export(base['raw255'], tmp)
put('uint8-nhwc', prefix(m, [helper.make_node('Cast', ['pixels'], ['f'], to=1), helper.make_node('Transpose', ['f'], ['x'], perm=[0, 3, 1, 2])], [image('pixels', ['N', 64, 64, 3], TensorProto.UINT8)]), 'raw255', last=True, dtype='uint8', form='uint8, channels last')
m = export(base['imagenet'], tmp)
c = lambda name, v: numpy_helper.from_array(np.array(v, np.float32), name)
put('normalised-inside', prefix(m, [helper.make_node('Div', ['rgb', 'most'], ['u']), helper.make_node('Sub', ['u', 'mean'], ['v']), helper.make_node('Div', ['v', 'std'], ['x'])],
    [image('rgb', ['N', 3, 64, 64])], [c('most', [255]), c('mean', MEAN.reshape(1, 3, 1, 1)), c('std', STD.reshape(1, 3, 1, 1))]), 'raw255', form='normalised by its first nodes')

caffe = export(base['caffe'], tmp)
put('caffe-stated', caffe, 'caffe', state='--preprocessing caffe', form='BGR less a mean')
m = onnx.ModelProto(); m.CopyFrom(caffe)
m.graph.node.append(helper.make_node('Softmax', ['y'], ['p'], axis=1))
m.graph.node.append(helper.make_node('ArgMax', ['p'], ['classLabel'], axis=1, keepdims=0))
m.graph.node.append(helper.make_node('ZipMap', ['p'], ['loss'], domain='ai.onnx.ml', classlabels_strings=[os.path.basename(f[:-1]) for f in folders]))
del m.graph.output[:]
m.graph.output.append(helper.make_tensor_value_info('classLabel', TensorProto.INT64, ['N']))
m.graph.output.append(helper.make_value_info('loss', helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))) if hasattr(helper, 'make_map_type_proto') else onnx.ValueInfoProto(name='loss', type=onnx.TypeProto(sequence_type=onnx.TypeProto.Sequence(elem_type=onnx.TypeProto(map_type=onnx.TypeProto.Map(key_type=TensorProto.STRING, value_type=onnx.TypeProto(tensor_type=onnx.TypeProto.Tensor(elem_type=TensorProto.FLOAT))))))))
m.opset_import.append(helper.make_opsetid('ai.onnx.ml', 1))
helper.set_model_props(m, {'Image.BitmapPixelFormat': 'Bgr8', 'Image.NominalPixelRange': 'NominalRange_0_255'})
raw = trained('raw255', epochs=1)
bgr = onnx.ModelProto(); bgr.CopyFrom(m)
bgr.graph.node.insert(0, helper.make_node('Sub', ['x_raw', 'bgr_mean'], ['x'])); bgr.graph.initializer.append(c('bgr_mean', CAFFE[::-1].reshape(1, 3, 1, 1)))
del bgr.graph.input[:]; bgr.graph.input.append(image('x_raw', ['N', 3, 64, 64]))
SCALES['bgr255'] = lambda x: x[..., ::-1]
put('custom-vision', bgr, 'bgr255', form='Bgr8 in the metadata, maps of scores, labels')

put('grey', export(trained('minus1to1', channels=1), tmp, shape=(1, 1, 64, 64)), 'minus1to1', channels=1, form='one channel')
net4 = trained('unit', channels=4)
m = export(net4, tmp, shape=(1, 4, 64, 64))
put('rgba-nhwc', prefix(m, [helper.make_node('Transpose', ['rgba'], ['x'], perm=[0, 3, 1, 2])], [image('rgba', ['N', 64, 64, 4])]), 'unit', state='--preprocessing unit', channels=4, last=True, form='four channels, channels last')
put('rectangle', export(trained('unit', size=(96, 48)), tmp, shape=(1, 3, 48, 96)), 'unit', size=(96, 48), form='96 x 48')
m = export(trained('imagenet', binary=True), tmp)
m.graph.node.append(helper.make_node('Sigmoid', ['y'], ['p'])); del m.graph.output[:]; m.graph.output.append(image('p', ['N', 1]))
put('one-sigmoid', m, 'imagenet', form='one sigmoid for two classes')
m = export(base['unit'], tmp)
row = [n for n in m.graph.node if n.op_type in ('Flatten', 'Reshape')][-1].output[0]
m.graph.output.append(image(row, ['N', 48]))
put('two-outputs', m, 'unit', form='scores and features')

half = onnx.ModelProto(); half.CopyFrom(export(base['imagenet'], tmp))
for t in half.graph.initializer:
    if t.data_type == TensorProto.FLOAT: t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float16), t.name))
for v in list(half.graph.input) + list(half.graph.output): v.type.tensor_type.elem_type = TensorProto.FLOAT16
put('float16', half, 'imagenet', dtype='float16', form='float16 throughout')

old = onnx.ModelProto(); old.CopyFrom(export(base['minus1to1'], tmp, opset=8))
old.ir_version = 3
for t in old.graph.initializer: old.graph.input.append(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
put('ir3-opset8', old, 'minus1to1', form='operator set 8, IR 3, weights among the inputs')
folder = out + '/external'; os.makedirs(folder, exist_ok=True)
m = export(base['imagenet'], tmp)
onnx.save_model(m, folder + '/model.onnx', save_as_external_data=True, all_tensors_to_one_file=True, location='weights.bin', size_threshold=0)
put('external', None, 'imagenet', form='weights in a file beside it')

q = onnx.ModelProto(); q.CopyFrom(export(base['imagenet'], tmp, opset=13))
nodes = []
for t in list(q.graph.initializer):
    w = numpy_helper.to_array(t)
    if w.ndim == 4:
        s = np.float32(np.abs(w).max() / 127)
        q.graph.initializer.remove(t)
        q.graph.initializer.extend([numpy_helper.from_array(np.clip(np.round(w / s), -127, 127).astype(np.int8), t.name + '_q'), numpy_helper.from_array(s, t.name + '_s'), numpy_helper.from_array(np.int8(0), t.name + '_z')])
        nodes.append(helper.make_node('DequantizeLinear', [t.name + '_q', t.name + '_s', t.name + '_z'], [t.name]))
for n in reversed(nodes): q.graph.node.insert(0, n)
put('quantised', q, 'imagenet', tune=False, form='int8 weights (DequantizeLinear)')

put('timm-config', export(base['imagenet'], tmp, keep=False), 'imagenet', form='folded, config.json of timm beside it',
    beside={'config.json': json.dumps(dict(architecture='small', pretrained_cfg=dict(input_size=[3, 64, 64], interpolation='bilinear', mean=MEAN.tolist(), std=STD.tolist())))})
put('transformer', export(trained('minus1to1', net=Attention(), epochs=14), tmp, keep=False, opset=14), 'minus1to1', labelled=True, form='attention, no batch norm; by labelled images')
os.remove(tmp)
json.dump(truths, open(out + '/truth.json', 'w'))
