"""Makes a small BERT: trains it for some steps, exports it by torch.onnx, and says what it gives for texts.

Arguments: a folder, and how the graph is to be: plain, or some of int32, fixed, causal, nomask, joined by commas.
Prints JSON: for each text the mean and the first token of every layer's states, from PyTorch, each text alone and not
padded. With a fourth argument, {"labels": [...], "weights": [[...]], "bias": [...], "rate": r, "frozen": n}, one step of
SGD comes before: on all texts in one padded batch, with this head on the mean of the last layer, by cross-entropy, of
all layers from n on and the head; the answers are of the network after it, and "loss" is that before it.
"""
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[2])))
import torch
from torch import nn
import word_pieces

folder, form = sys.argv[1], sys.argv[3].split(",")
POSITIONS, WIDTH, HEADS, LAYERS = 48, 32, 4, 3
TOPICS = {
    "cooking": "butter oven flour simmer garlic whisk dough pepper",
    "music": "violin chord tempo melody drums choir octave piano",
    "weather": "rain cloud storm frost breeze sunny thunder fog",
}
torch.manual_seed(3)
torch.set_num_threads(1)


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *["##" + c for c in letters]]
    tokens += [w for topic in TOPICS.values() for w in topic.split()[::2]]
    return tokens + ["the", "with", "slow", "##ly", "##ing", ".", ",", "!", "="]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.inner, self.outer = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x, bias):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + bias
        mixed = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(x.shape[0], -1, WIDTH)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.outer(torch.nn.functional.gelu(self.inner(x))))


class Bert(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.words, self.types = nn.Embedding(count, WIDTH), nn.Embedding(2, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.pooler = nn.Linear(WIDTH, WIDTH)

    def states(self, ids, mask, types):
        at = torch.arange(POSITIONS)[: ids.shape[1]]
        x = self.norm(self.words(ids.long()) + self.positions(at) + self.types(types.long()))
        bias = (1.0 - mask[:, None, None, :].float()) * -10000.0
        if "causal" in form:
            bias = bias + torch.triu(torch.full((POSITIONS, POSITIONS), -1e4), 1)[: ids.shape[1], : ids.shape[1]]
        if "nomask" in form:
            bias = bias * 0
        found = []
        for layer in self.layers:
            x = layer(x, bias)
            found.append(x)
        return found

    def forward(self, input_ids, attention_mask, token_type_ids):
        last = self.states(input_ids, attention_mask, token_type_ids)[-1]
        return last, torch.tanh(self.pooler(last[:, 0]))


def padded(rows, length):
    ids = torch.zeros(len(rows), length, dtype=torch.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids, (ids != 0).long(), torch.zeros_like(ids)


def mean(states, mask):
    weights = mask[:, :, None].float()
    return (states * weights).sum(1) / weights.sum(1)


with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
    file.write("\n".join(vocabulary()) + "\n")
known = word_pieces.read(os.path.join(folder, "vocab.txt"))
model = Bert(len(known))
head = nn.Linear(WIDTH, 3)
texts, labels = [], []
for n in range(60):
    words = list(TOPICS.values())[n % 3].split()
    texts.append(f"the {words[n % 8]} with {words[(n * 5 + 1) % 8]}, slowly {words[(n * 3 + 2) % 8]}!")
    labels.append(n % 3)
rows = [word_pieces.tokens(t, known, True, POSITIONS) for t in texts]
inputs, truth = padded(rows, max(map(len, rows))), torch.tensor(labels)
optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], 2e-3)
for _ in range(25):
    loss = nn.functional.cross_entropy(head(mean(model(*inputs)[0], inputs[1])), truth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

kind = torch.int32 if "int32" in form else torch.int64
length = 16 if "fixed" in form else 7
dummy = tuple(t.to(kind) for t in padded([[2, 5, 9, 60, 3]] * 2, length))
names = ["input_ids", "attention_mask", "token_type_ids"]
axes = {n: {0: "batch"} if "fixed" in form else {0: "batch", 1: "sequence"} for n in [*names, "last_hidden_state"]}
torch.onnx.export(
    model,
    dummy,
    os.path.join(folder, "model.onnx"),
    input_names=names,
    output_names=["last_hidden_state", "pooler_output"],
    dynamic_axes={**axes, "pooler_output": {0: "batch"}},
    opset_version=13,
    do_constant_folding=True,
)

asked = json.loads(sys.argv[4])
answer = []
said = None
if len(sys.argv) > 5:
    step = json.loads(sys.argv[5])
    rows = [word_pieces.tokens(t, known, True, POSITIONS) for t in asked]
    ids, mask, types = padded(rows, max(map(len, rows)))
    weights, bias = torch.tensor(step["weights"], requires_grad=True), torch.tensor(step["bias"], requires_grad=True)
    trained = [p for layer in model.layers[step["frozen"] :] for p in layer.parameters()] + [weights, bias]
    features = mean(model.states(ids, mask, types)[-1], mask)
    loss = nn.functional.cross_entropy(features @ weights.T + bias, torch.tensor(step["labels"]))
    for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained)):
        parameter.data -= step["rate"] * gradient
    said = loss.item()
with torch.no_grad():
    for text in asked:
        row = word_pieces.tokens(text, known, True, length if "fixed" in form else POSITIONS)
        ids, mask, types = padded([row], len(row))
        states = model.states(ids, mask, types)
        answer.append(
            {
                "tokens": row,
                "loss": said,
                "mean": [mean(s, mask)[0].tolist() for s in states],
                "cls": [s[0, 0].tolist() for s in states],
            }
        )
json.dump(answer, sys.stdout)
