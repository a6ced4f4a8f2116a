using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>
/// Random histories of sidecars whose orders are late, lost and overtaken, and whose use outlives a smaller share. After each step all together may use no more than the limit, or one each;
/// beyond that only what newcomers bring before anybody could make room for them.
/// </summary>
public sealed class SharedLimitsModelTests
{
    private static readonly LimitName Name = new("ResiliencePolicy/default/partner", "outbound|80||partner.test", "meshLimits.maxRequests");

    [Theory]
    [InlineData(1, 20)]
    [InlineData(2, 20)]
    [InlineData(3, 7)]
    [InlineData(4, 3)]
    [InlineData(5, 100)]
    [InlineData(6, 1)]
    [InlineData(7, 12)]
    [InlineData(8, 40)]
    public void RandomHistory_NeverMoreThanTheLimit(int seed, int total)
    {
        History history = new(seed, total);
        for (int step = 0; step < 3000; step++)
        {
            history.Step();
            history.Check($"seed {seed}, step {step}");
        }

        Assert.InRange(history.MostUsed, Math.Min(total, 2), int.MaxValue); // it was used at all
    }

    private sealed class History(int seed, int total)
    {
        private readonly Random _dice = new(seed);
        private readonly FakeTimeProvider _time = new();
        private readonly List<Model> _sidecars = [];
        private readonly List<(Model To, LimitOrder Order)> _underWay = [];
        private SharedLimits? _limits;
        private int _joined;
        private long _heldBefore;

        public int MostUsed { get; private set; }

        public void Step()
        {
            _limits ??= new SharedLimits(_ => total, _time);
            switch (_dice.Next(12))
            {
                case 0 when _sidecars.Count < 6:
                    _sidecars.Add(new Model(new Reporter($"s{_joined++}", "", "", "")));
                    break;
                case 1 when _sidecars.Count > 2 && _dice.Next(4) == 0:
                    Leave(_sidecars[_dice.Next(_sidecars.Count)]);
                    break;
                case < 6:
                    Any(Report);
                    break;
                case < 8:
                    Deliver();
                    break;
                case 8:
                    _time.Advance(TimeSpan.FromMilliseconds(_dice.Next(1, 900)));
                    break;
                default:
                    Any(s => s.Use(_dice));
                    break;
            }
        }

        public void Check(string where)
        {
            int used = _sidecars.Sum(static s => Math.Max(s.Share, s.InUse));
            int heard = _sidecars.Count(static s => s.IsHeard);
            long held = (long?)_limits!.Page().FirstOrDefault()?["held"] ?? 0;
            int unheard = _sidecars.Count - heard;

            Assert.True(used <= held + unheard, $"{where}: {used} may be used, and {held} are known of");
            Assert.True(held <= Math.Max(Math.Max(total, heard), _heldBefore), $"{where}: {held} are held, {_heldBefore} were before");
            (MostUsed, _heldBefore) = (Math.Max(MostUsed, used), held);
        }

        private void Any(Action<Model> act)
        {
            if (_sidecars.Count > 0)
            {
                act(_sidecars[_dice.Next(_sidecars.Count)]);
            }
        }

        private void Leave(Model sidecar)
        {
            _sidecars.Remove(sidecar);
            _limits!.Forget(sidecar.Reporter, _time.GetTimestamp());
            if (_sidecars.All(static s => !s.IsHeard))
            {
                _sidecars.Clear(); // a control plane that nobody is known to waits for a while before it gives anything out
            }
        }

        private void Report(Model sidecar)
        {
            _heldBefore += sidecar.IsHeard ? 0 : sidecar.Share;
            _limits!.Report(sidecar.Reporter, new SidecarReport { Limits = [sidecar.Report(_dice)] }, _time.GetTimestamp());
            sidecar.IsHeard = true;
            foreach (Model any in _sidecars.Where(static s => s.IsHeard)) // as the streams would bring it
            {
                SidecarOrders orders = new();
                _limits.AddOrders(any.Reporter, orders, _time.GetTimestamp());
                _underWay.Add((any, orders.Limits[0]));
            }
        }

        /// <summary>Some order arrives, not always the oldest; others are lost.</summary>
        private void Deliver()
        {
            if (_underWay.Count > 0)
            {
                (Model to, LimitOrder order) = _underWay[_dice.Next(_underWay.Count)];
                _underWay.Remove((to, order));
                to.Take(order);
            }

            while (_underWay.Count > 40)
            {
                _underWay.RemoveAt(_dice.Next(_underWay.Count));
            }
        }
    }

    private sealed class Model(Reporter reporter)
    {
        private long _epoch;
        private int _most;

        public Reporter Reporter { get; } = reporter;

        public int Share { get; private set; } = 1;

        public int InUse { get; private set; }

        public bool IsHeard { get; set; }

        public void Use(Random dice)
        {
            InUse = InUse < Share ? dice.Next(0, Share + 1) : InUse - dice.Next(0, InUse + 1);
            _most = Math.Max(_most, InUse);
        }

        public void Take(LimitOrder order)
        {
            if (order.Epoch >= _epoch)
            {
                _most = order.Share < Share ? 0 : _most;
                (Share, _epoch) = (order.Share, order.Epoch);
            }
        }

        public LimitReport Report(Random dice)
        {
            LimitReport report = new()
            {
                Rule = Name.Rule,
                Cluster = Name.Cluster,
                Limit = Name.Limit,
                Epoch = _epoch,
                Share = _epoch > 0 ? Share : 0,
                InUse = Math.Max(_most, InUse),
                Wanted = dice.Next(3) == 0 ? dice.Next(0, 60) : InUse,
            };
            _most = InUse;
            return report;
        }
    }
}
