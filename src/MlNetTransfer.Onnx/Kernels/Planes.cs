using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// One axis of a convolution of one channel: output o meets element o·Stride + tap - Pad of the input.
/// </summary>
/// <param name="Input">Elements of the input.</param>
/// <param name="Output">Elements of the output.</param>
/// <param name="Kernel">Taps.</param>
/// <param name="Stride">Elements between two outputs.</param>
/// <param name="Pad">Zeros before the first element.</param>
internal readonly record struct PlaneAxis(int Input, int Output, int Kernel, int Stride, int Pad)
{
    /// <summary>Outputs that a tap shifts at most.</summary>
    public int Reach => (Kernel - 1) / Stride;

    /// <summary>Elements of a plane of the input: what the outputs meet at taps of one remainder.</summary>
    public int Met => Output + Reach;

    /// <summary>Elements of the input with its pads, of one remainder.</summary>
    public int Parts => (Input + Pad + Stride - 1) / Stride;

    /// <summary>Elements of a plane of the output's gradient, with the zeros around it.</summary>
    public int Around => Parts + Reach;
}

/// <summary>
/// Maps of one channel as planes: rows one after another with the zeros that pads stand for, one plane for each
/// remainder of the stride, so that what the outputs meet at a tap is one contiguous run of a plane. What is computed
/// between two rows is thrown away.
/// </summary>
/// <param name="y">The rows.</param>
/// <param name="x">The columns.</param>
internal sealed unsafe class Planes(PlaneAxis y, PlaneAxis x)
{
    /// <summary>Numbers behind a plane that may be read: work is done in blocks.</summary>
    public const int Slack = 40;

    /// <summary>Taps whose sums are made at a time: as many as registers hold.</summary>
    private const int Together = 5;

    private static readonly Vector256<int> EvenToLow = Vector256.Create(0, 2, 4, 6, 0, 0, 0, 0),
        EvenToHigh = Vector256.Create(0, 0, 0, 0, 0, 2, 4, 6);

    private static readonly Vector256<float> Low = Vector256.Create(-1, -1, -1, -1, 0, 0, 0, 0).AsSingle();

    public PlaneAxis Y => y;

    public PlaneAxis X => x;

    /// <summary>Taps of a kernel.</summary>
    public int Taps => y.Kernel * x.Kernel;

    /// <summary>Elements of a map of the input, and of the output.</summary>
    public int InputSize => checked(y.Input * x.Input);

    /// <inheritdoc cref="InputSize"/>
    public int OutputSize => checked(y.Output * x.Output);

    /// <summary>Numbers between two planes of the input.</summary>
    public int PlaneSize => checked(y.Met * x.Met + Slack);

    /// <summary>Numbers of all planes of the input.</summary>
    public int AllPlanes => checked(y.Stride * x.Stride * PlaneSize);

    /// <summary>Numbers that are computed in the rows of a plane of the input.</summary>
    public int Run => (y.Output - 1) * x.Met + x.Output;

    /// <summary>Where the run of a tap starts in the planes of the input.</summary>
    public int Start(int row, int column) =>
        (row % y.Stride * x.Stride + column % x.Stride) * PlaneSize + row / y.Stride * x.Met + column / x.Stride;

    /// <summary>Where each tap reads in the planes of the input.</summary>
    /// <param name="planes">The planes.</param>
    /// <param name="weights">Weights of the taps; null where they do not matter.</param>
    /// <param name="taps">Takes them, row by row.</param>
    public void Aim(float* planes, float* weights, Span<PlaneTap> taps)
    {
        for (int i = 0; i < taps.Length; i++)
            taps[i] = new PlaneTap(planes + Start(i / x.Kernel, i % x.Kernel), weights is null ? 0 : weights[i]);
    }

    /// <summary>Makes the planes of a map.</summary>
    /// <param name="map">The map.</param>
    /// <param name="planes">Room for the planes.</param>
    /// <param name="pad">What stands around the map.</param>
    public void Split(float* map, float* planes, float pad = 0)
    {
        for (int a = 0; a < y.Stride; a++)
        for (int b = 0; b < x.Stride; b++)
        {
            float* plane = planes + (a * x.Stride + b) * PlaneSize;
            for (int row = 0; row < y.Met; row++)
            {
                int from = row * y.Stride + a - y.Pad;
                float* into = plane + row * x.Met;
                if (from >= 0 && from < y.Input)
                    SplitRow(map + from * x.Input, b - x.Pad, into, pad);
                else
                    Rows.Fill(into, x.Met, pad);
            }

            new Span<float>(plane + y.Met * x.Met, Slack).Clear();
        }
    }

    /// <summary>
    /// Makes a map of its planes: the other way of <see cref="Split"/>. What no plane has is zero.
    /// </summary>
    /// <param name="planes">The planes.</param>
    /// <param name="size">Numbers between two of them.</param>
    /// <param name="rows">Rows of each.</param>
    /// <param name="width">Numbers of a row.</param>
    /// <param name="map">The map.</param>
    public void Join(float* planes, int size, int rows, int width, float* map)
    {
        for (int row = 0; row < y.Input; row++)
        {
            int place = row + y.Pad,
                part = y.Stride == 1 ? place : place / y.Stride;
            float* into = map + row * x.Input;
            if (part >= rows)
                Rows.Fill(into, x.Input, 0);
            else
                JoinRow(planes + (place - part * y.Stride) * x.Stride * size + part * width, size, width, into);
        }
    }

    private void JoinRow(float* row, int size, int width, float* into)
    {
        if (x.Stride == 1)
        {
            int there = Math.Min(width - x.Pad, x.Input);
            Rows.Copy(row + x.Pad, into, there);
            Rows.Fill(into + there, x.Input - there, 0);
            return;
        }

        for (int b = 0; b < x.Stride; b++)
        {
            int column = ((b - x.Pad) % x.Stride + x.Stride) % x.Stride,
                start = (column + x.Pad) / x.Stride;
            float* source = row + b * size + start,
                end = row + b * size + width;
            for (; column < x.Input && source < end; column += x.Stride)
                into[column] = *source++;
            for (; column < x.Input; column += x.Stride)
                into[column] = 0;
        }
    }

    /// <summary>Takes the rows of a run out of a plane.</summary>
    public void TakeRows(float* run, float* map)
    {
        for (int row = 0; row < y.Output; row++)
            Rows.Copy(run + row * x.Met, map + row * x.Output, x.Output);
    }

    /// <summary>Puts the rows of a map of the output into a run, zeros between them.</summary>
    public void SpreadRows(float* map, float* run)
    {
        for (int row = 0; row < y.Output; row++)
        {
            Rows.Copy(map + row * x.Output, run + row * x.Met, x.Output);
            Rows.Fill(run + row * x.Met + x.Output, x.Met - x.Output, 0);
        }

        new Span<float>(run + y.Output * x.Met, Slack).Clear();
    }

    /// <summary>out[p] = bias + Σ over taps of weight · source[p].</summary>
    /// <param name="run">The result; as many numbers more as make blocks of 32 are written behind it.</param>
    /// <param name="length">Numbers of it.</param>
    /// <param name="bias">What all start from.</param>
    /// <param name="taps">Weights, and where each reads.</param>
    public static void Weigh(float* run, int length, float bias, ReadOnlySpan<PlaneTap> taps)
    {
        if (taps.Length == 9)
        {
            WeighNine(run, length, bias, taps);
            return;
        }

        for (int at = 0; at < length; at += 32)
        {
            Vector256<float> a = Vector256.Create(bias),
                b = a,
                c = a,
                d = a;
            foreach (ref readonly PlaneTap tap in taps)
            {
                var weight = Vector256.Create(tap.Weight);
                float* source = tap.Source + at;
                a = Vector256.FusedMultiplyAdd(weight, Vector256.Load(source), a);
                b = Vector256.FusedMultiplyAdd(weight, Vector256.Load(source + 8), b);
                c = Vector256.FusedMultiplyAdd(weight, Vector256.Load(source + 16), c);
                d = Vector256.FusedMultiplyAdd(weight, Vector256.Load(source + 24), d);
            }

            a.Store(run + at);
            b.Store(run + at + 8);
            c.Store(run + at + 16);
            d.Store(run + at + 24);
        }
    }

    /// <summary>The same with the weights in registers: kernels of 3 x 3 are the most frequent ones by far.</summary>
    private static void WeighNine(float* run, int length, float bias, ReadOnlySpan<PlaneTap> taps)
    {
        float* a = taps[0].Source,
            b = taps[1].Source,
            c = taps[2].Source,
            d = taps[3].Source,
            e = taps[4].Source,
            f = taps[5].Source,
            g = taps[6].Source,
            h = taps[7].Source,
            i = taps[8].Source;
        Vector256<float> start = Vector256.Create(bias),
            u = Vector256.Create(taps[0].Weight),
            v = Vector256.Create(taps[1].Weight),
            w = Vector256.Create(taps[2].Weight),
            p = Vector256.Create(taps[3].Weight),
            q = Vector256.Create(taps[4].Weight),
            r = Vector256.Create(taps[5].Weight),
            k = Vector256.Create(taps[6].Weight),
            m = Vector256.Create(taps[7].Weight),
            n = Vector256.Create(taps[8].Weight);
        for (int at = 0; at < length; at += 16)
        {
            Vector256<float> low = Vector256.FusedMultiplyAdd(u, Vector256.Load(a + at), start),
                high = Vector256.FusedMultiplyAdd(u, Vector256.Load(a + at + 8), start);
            low = Vector256.FusedMultiplyAdd(v, Vector256.Load(b + at), low);
            high = Vector256.FusedMultiplyAdd(v, Vector256.Load(b + at + 8), high);
            low = Vector256.FusedMultiplyAdd(w, Vector256.Load(c + at), low);
            high = Vector256.FusedMultiplyAdd(w, Vector256.Load(c + at + 8), high);
            low = Vector256.FusedMultiplyAdd(p, Vector256.Load(d + at), low);
            high = Vector256.FusedMultiplyAdd(p, Vector256.Load(d + at + 8), high);
            low = Vector256.FusedMultiplyAdd(q, Vector256.Load(e + at), low);
            high = Vector256.FusedMultiplyAdd(q, Vector256.Load(e + at + 8), high);
            low = Vector256.FusedMultiplyAdd(r, Vector256.Load(f + at), low);
            high = Vector256.FusedMultiplyAdd(r, Vector256.Load(f + at + 8), high);
            low = Vector256.FusedMultiplyAdd(k, Vector256.Load(g + at), low);
            high = Vector256.FusedMultiplyAdd(k, Vector256.Load(g + at + 8), high);
            low = Vector256.FusedMultiplyAdd(m, Vector256.Load(h + at), low);
            high = Vector256.FusedMultiplyAdd(m, Vector256.Load(h + at + 8), high);
            low = Vector256.FusedMultiplyAdd(n, Vector256.Load(i + at), low);
            high = Vector256.FusedMultiplyAdd(n, Vector256.Load(i + at + 8), high);
            low.Store(run + at);
            high.Store(run + at + 8);
        }
    }

    /// <summary>sums[t] += Σ over p of run[p] · source of tap t[p].</summary>
    /// <param name="run">Numbers; zeros up to the next block of 16.</param>
    /// <param name="length">How many.</param>
    /// <param name="taps">Where each tap reads; weights are not looked at.</param>
    /// <param name="sums">A sum for each tap.</param>
    public static void Correlate(float* run, int length, ReadOnlySpan<PlaneTap> taps, Span<float> sums)
    {
        for (int first = 0; first < taps.Length; first += Together)
        {
            int last = taps.Length - 1;
            float* p = taps[first].Source;
            float* q = taps[Math.Min(first + 1, last)].Source;
            float* r = taps[Math.Min(first + 2, last)].Source;
            float* s = taps[Math.Min(first + 3, last)].Source;
            float* t = taps[Math.Min(first + 4, last)].Source;
            Vector256<float> p0 = default,
                p1 = default,
                q0 = default,
                q1 = default,
                r0 = default,
                r1 = default,
                s0 = default,
                s1 = default,
                t0 = default,
                t1 = default;
            for (int at = 0; at < length; at += 16)
            {
                Vector256<float> low = Vector256.Load(run + at),
                    high = Vector256.Load(run + at + 8);
                p0 = Vector256.FusedMultiplyAdd(low, Vector256.Load(p + at), p0);
                p1 = Vector256.FusedMultiplyAdd(high, Vector256.Load(p + at + 8), p1);
                q0 = Vector256.FusedMultiplyAdd(low, Vector256.Load(q + at), q0);
                q1 = Vector256.FusedMultiplyAdd(high, Vector256.Load(q + at + 8), q1);
                r0 = Vector256.FusedMultiplyAdd(low, Vector256.Load(r + at), r0);
                r1 = Vector256.FusedMultiplyAdd(high, Vector256.Load(r + at + 8), r1);
                s0 = Vector256.FusedMultiplyAdd(low, Vector256.Load(s + at), s0);
                s1 = Vector256.FusedMultiplyAdd(high, Vector256.Load(s + at + 8), s1);
                t0 = Vector256.FusedMultiplyAdd(low, Vector256.Load(t + at), t0);
                t1 = Vector256.FusedMultiplyAdd(high, Vector256.Load(t + at + 8), t1);
            }

            sums[first] += Vector256.Sum(p0 + p1);
            if (first < last)
                sums[first + 1] += Vector256.Sum(q0 + q1);
            if (first + 1 < last)
                sums[first + 2] += Vector256.Sum(r0 + r1);
            if (first + 2 < last)
                sums[first + 3] += Vector256.Sum(s0 + s1);
            if (first + 3 < last)
                sums[first + 4] += Vector256.Sum(t0 + t1);
        }
    }

    /// <summary>Elements from + column · Stride of a row, pads outside of it.</summary>
    private void SplitRow(float* row, int from, float* into, float pad)
    {
        int first = Math.Clamp((-from + x.Stride - 1) / x.Stride, 0, x.Met),
            end = Math.Clamp((x.Input - from + x.Stride - 1) / x.Stride, first, x.Met),
            count = end - first;
        Rows.Fill(into, first, pad);
        Rows.Fill(into + end, x.Met - end, pad);
        float* source = row + from + first * x.Stride;
        into += first;
        if (x.Stride == 1)
        {
            Rows.Copy(source, into, count);
            return;
        }

        int at = 0;
        if (x.Stride == 2)
            // Two vectors hold eight elements and the seven between them, and one more, which must be of the row.
            for (; at + 9 <= count; at += 8)
                Vector256
                    .ConditionalSelect(
                        Low,
                        Vector256.Shuffle(Vector256.Load(source + 2 * at), EvenToLow),
                        Vector256.Shuffle(Vector256.Load(source + 2 * at + 8), EvenToHigh)
                    )
                    .Store(into + at);
        for (; at < count; at++)
            into[at] = source[at * x.Stride];
    }
}

/// <summary>Rows of a few numbers: calls of the library cost more than what they do.</summary>
internal static unsafe class Rows
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* from, float* to, int count)
    {
        if (count < 8)
        {
            for (int i = 0; i < count; i++)
                to[i] = from[i];
            return;
        }

        int last = count - 8;
        for (int i = 0; i < last; i += 8)
            Vector256.Load(from + i).Store(to + i);
        Vector256.Load(from + last).Store(to + last);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fill(float* to, int count, float value)
    {
        int i = 0;
        for (; i <= count - 8; i += 8)
            Vector256.Create(value).Store(to + i);
        for (; i < count; i++)
            to[i] = value;
    }
}

/// <summary>A tap of a kernel: its weight, and the first number that it meets.</summary>
internal readonly unsafe struct PlaneTap(float* source, float weight)
{
    public readonly float* Source = source;
    public readonly float Weight = weight;
}
