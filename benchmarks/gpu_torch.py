"""PyTorch's own LSTM (cuDNN on a GPU), which the benchmarks compare the book's models with."""

import time

import numpy as np
import torch
from torch import nn

BOS, EOS = 2, 3


def device():
    return "cuda" if torch.cuda.is_available() else "cpu"


class TextAutoencoder(nn.Module):
    """``ae_lib.models.Seq2SeqAutoencoder`` with ``nn.LSTM``, but for the code's share in the
    gates, which ``nn.LSTM`` has no place for; bfloat16 is PyTorch's autocast."""

    def __init__(self, s):
        super().__init__()
        words, units, width = s["vocabulary"], s["units"], s["embedding"]
        self.half = s["precision"] == "bfloat16"
        self.encoder = nn.LSTM(width, units, batch_first=True)
        self.decoder = nn.LSTM(width, units, batch_first=True)
        self.to_code, self.to_word = nn.Linear(2 * units, units), nn.Linear(units, width)
        self.to_h, self.to_c = nn.Linear(units, units), nn.Linear(units, units)
        self.embedding = nn.Embedding(words, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.bias = nn.Parameter(torch.zeros(words))
        self.lstm_dtype = None

    def forward(self, tokens):
        """Cross-entropy in nats per token; tokens int (n, T) without padding."""
        seen = nn.functional.pad(tokens, (1, 0), value=BOS)
        said = nn.functional.pad(tokens, (0, 1), value=EOS).flatten()
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.half):
            _, (h, c) = self.encoder(self.embedding(tokens.flip(1)))
            code = self.to_code(torch.cat([h, c], -1))
            state = torch.tanh(self.to_h(code)).to(code.dtype), self.to_c(code)
            outputs, _ = self.decoder(self.embedding(seen), state)
            # For cuDNN many versions of PyTorch cast to float16 whatever was asked for.
            self.lstm_dtype = str(outputs.dtype).removeprefix("torch.")
            logits = self.to_word(outputs) @ self.embedding.weight.T + self.bias
            return nn.functional.cross_entropy(logits.flatten(0, 1).float(), said)


class Layer(nn.Module):
    """An embedding, ``nn.LSTM`` and the squared distance of its last output from 1; weights are
    those of Keras's layers."""

    def __init__(self, weights):
        super().__init__()
        table, kernel, recurrent, bias = (torch.tensor(w) for w in weights)
        self.embedding = nn.Embedding.from_pretrained(table, freeze=False)
        self.lstm = nn.LSTM(table.shape[1], len(recurrent), batch_first=True)
        with torch.no_grad():  # its two biases add up
            self.lstm.weight_ih_l0.copy_(kernel.T)
            self.lstm.weight_hh_l0.copy_(recurrent.T)
            self.lstm.bias_ih_l0.copy_(bias)
            self.lstm.bias_hh_l0.zero_()

    def last(self, tokens):
        return self.lstm(self.embedding(tokens))[0][:, -1]

    def forward(self, tokens):
        return (self.last(tokens) - 1).square().mean()


def trainer(model, tokens, fused=True):
    """A function from a number of steps, forward, backward, clipping and Adam, all on one batch,
    to ``(seconds a step, mean loss)``. ``fused``: Adam updates all weights in a few kernels."""
    model.to(device())
    batch = torch.tensor(np.asarray(tokens), device=device()).long()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=fused)

    def run(steps):
        losses, start = [], time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean().item()  # waits for the device
        return (time.perf_counter() - start) / steps, mean

    return run
