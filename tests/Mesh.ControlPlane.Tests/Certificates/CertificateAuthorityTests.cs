using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Certificates;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class CertificateAuthorityTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string[] Service = ["mesh.mesh-system.svc", "mesh.mesh-system"];

    [Fact]
    public void Advance_NothingKept_MakesACertificateThatTheBundleTrusts()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);

        Assert.True(IsTrusted(kept.Bundle, kept, Start));
        using X509Certificate2 certificate = CertificateAuthority.Load(kept);
        Assert.True(certificate.HasPrivateKey);
        Assert.True(certificate.MatchesHostname("mesh.mesh-system.svc"));
        Assert.False(certificate.MatchesHostname("other.mesh-system.svc"));
        Assert.Equal(Start.AddDays(90).UtcDateTime, certificate.NotAfter.ToUniversalTime());
    }

    [Fact]
    public void Advance_MostOfItsTime_KeepsIt()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);

        Assert.Same(kept, CertificateAuthority.Advance(kept, Service, Start.AddDays(59)));
    }

    [Fact]
    public void Advance_LastThird_RenewsUnderTheSameAuthority()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);
        KeptCertificates renewed = CertificateAuthority.Advance(kept, Service, Start.AddDays(61));

        Assert.NotEqual(kept.Certificate, renewed.Certificate);
        Assert.Equal(kept.Bundle, renewed.Bundle);
        Assert.True(IsTrusted(kept.Bundle, renewed, Start.AddDays(61)));
    }

    [Fact]
    public void Advance_OtherNames_IssuesAnew()
    {
        KeptCertificates renewed = CertificateAuthority.Advance(CertificateAuthority.Advance(null, Service, Start), ["new.mesh-system.svc"], Start);

        using X509Certificate2 certificate = CertificateAuthority.Load(renewed);
        Assert.True(certificate.MatchesHostname("new.mesh-system.svc"));
    }

    [Fact]
    public void Advance_FewerNames_KeepsIt()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, ["a.b.svc", "a.b", "a"], Start);

        Assert.Same(kept, CertificateAuthority.Advance(kept, ["a.b", "a.b.svc"], Start)); // a version that wants fewer runs beside us during an upgrade
    }

    [Fact]
    public void Advance_DayByDayForMoreThanAYear_WhatIsShownIsTrustedByTheBundlesOfYesterdayAndTomorrow()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);
        HashSet<string> authorities = [kept.Authority];
        for (DateTimeOffset now = Start; now < Start.AddDays(400); now = now.AddDays(1))
        {
            KeptCertificates next = CertificateAuthority.Advance(kept, Service, now);
            authorities.Add(next.Authority);
            if (next != kept)
            {
                Assert.True(IsTrusted(kept.Bundle, next, now), $"at {now:u}, by an API server that is late");
                Assert.True(IsTrusted(next.Bundle, kept, now), $"at {now:u}, from a replica that is late");
            }

            kept = next;
        }

        Assert.Equal(2, authorities.Count);
        Assert.True(IsTrusted(kept.Bundle, kept, Start.AddDays(399)));
    }

    [Fact]
    public void Advance_BrokenByHand_IsMadeAnew()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);

        KeptCertificates anew = CertificateAuthority.Advance(kept with { Key = "no key" }, Service, Start);

        Assert.True(IsTrusted(anew.Bundle, anew, Start));
    }

    [Fact]
    public void Advance_AfterLongSleep_IsMadeAnew()
    {
        KeptCertificates kept = CertificateAuthority.Advance(null, Service, Start);

        KeptCertificates anew = CertificateAuthority.Advance(kept, Service, Start.AddDays(400));

        Assert.True(IsTrusted(anew.Bundle, anew, Start.AddDays(400)));
    }

    private static bool IsTrusted(string bundle, KeptCertificates kept, DateTimeOffset now)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPem(bundle);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        using X509Certificate2 certificate = X509Certificate2.CreateFromPem(kept.Certificate);
        return chain.Build(certificate);
    }
}
